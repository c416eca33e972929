"""The requests of the OpenAI protocol, answered by the endpoints of a job."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sage.serving import bodies
from sage.serving.answering import Asked, collect, stream
from sage.serving.choice import Choice
from sage.serving.exchange import Exchange
from sage.serving.front import Front, encode
from sage.serving.meters import RequestMeter
from sage.serving.models import Models
from sage.serving.openapi import description
from sage.serving.requests import ChatRequest, CompletionRequest
from sage.serving.router import Handler
from sage.serving.shapes import ChatShape, Shape, TextShape, usage_of
from sage.serving.terms import Terms
from sage.serving.vectors import embed, embeddings_body

__all__ = ["OpenAIProtocol"]


class OpenAIProtocol:
    """Answers requests.

    Args:
        front: the job, and who may come in.
        models: which there are.
        count_tokens: how many tokens a text has.
        expected_tokens: how many tokens are reserved for an answer whose request does not bound it.
    """

    def __init__(self, front: Front, models: Models, count_tokens: Callable[[str], int], expected_tokens: int) -> None:
        self._front = front
        self._models = models
        self._count = count_tokens
        self._expected = expected_tokens

    def handlers(self) -> dict[str, Handler]:
        """What answers which path."""
        return {
            "POST /v1/chat/completions": self._chat,
            "POST /v1/completions": self._completions,
            "POST /v1/embeddings": self._embeddings,
            "GET /v1/models": self._all_models,
            "GET /v1/models/*": self._one_model,
            "GET /openapi.json": self._description,
        }

    async def _chat(self, exchange: Exchange, rest: str) -> None:
        key, terms = await self._received(exchange)
        body, raw = _parsed(exchange, bodies.ChatBody)
        endpoint = self._models.endpoint("chat", body.model)
        request = body.request(raw, exchange.id, key)
        shape = ChatShape(body.model, usage=body.usage, running_usage=body.running_usage)
        tokens = sum(self._count(text) for message in request.messages for text in _texts(message.get("content")))
        await self._answer(exchange, endpoint, [request], shape, terms, tokens)

    async def _completions(self, exchange: Exchange, rest: str) -> None:
        key, terms = await self._received(exchange)
        body, raw = _parsed(exchange, bodies.CompletionBody)
        endpoint = self._models.endpoint("completions", body.model)
        requests = body.requests(raw, exchange.id, key)
        shape = TextShape(body.model, usage=body.usage, running_usage=body.running_usage)
        tokens = sum(self._count(request.prompt) for request in requests)
        await self._answer(exchange, endpoint, requests, shape, terms, tokens)

    async def _answer(
        self,
        exchange: Exchange,
        endpoint: str,
        requests: "Sequence[ChatRequest | CompletionRequest]",
        shape: Shape,
        terms: Terms,
        prompt_tokens: int,
    ) -> None:
        first = requests[0]
        each = first.max_tokens or self._expected
        choices = [
            Choice(index, max_tokens=first.max_tokens, stops=first.stop) for index in range(len(requests) * first.n)
        ]

        async def work(meter: RequestMeter) -> None:
            async with self._front.desk.let_in(first.key, terms, prompt_tokens + each * len(choices)) as reserved:
                asked = [
                    Asked(self._ask(endpoint, _alone(requests, choice.index), terms, each), choice)
                    for choice in choices
                ]
                write = stream if first.stream else collect
                try:
                    meter.used(await write(exchange, asked, shape, prompt_tokens, meter))
                finally:
                    reserved.settle(usage_of(choices, prompt_tokens)["total_tokens"])

        await self._front.metered(exchange, first.model, work)

    def _ask(self, endpoint: str, request: "ChatRequest | CompletionRequest", terms: Terms, tokens: int) -> Any:
        return self._front.host.job.stream(
            endpoint,
            request,
            deadline=terms.left(),
            priority=terms.priority,
            key=request.key,
            tokens=tokens,
            trace=request.id,
        )

    async def _embeddings(self, exchange: Exchange, rest: str) -> None:
        key, terms = await self._received(exchange)
        body, _ = _parsed(exchange, bodies.EmbeddingBody)
        endpoint = self._models.endpoint("embeddings", body.model)
        texts = body.texts()
        tokens = sum(map(self._count, texts))

        async def ask(text: str) -> Any:
            job = self._front.host.job
            return await job.call(
                endpoint,
                text,
                deadline=terms.left(),
                priority=terms.priority,
                key=key,
                tokens=self._count(text),
                trace=exchange.id,
            )

        async def work(meter: RequestMeter) -> None:
            async with self._front.desk.let_in(key, terms, tokens) as reserved:
                meter.admitted()
                vectors = await embed(texts, ask)
                usage = {"prompt_tokens": tokens, "total_tokens": tokens}
                in_base64 = body.encoding_format == "base64"
                answer = embeddings_body(body.model, vectors, usage, as_base64=in_base64, dimensions=body.dimensions)
                await exchange.respond(200, answer)
                reserved.settle(tokens)
                meter.used(usage)

        await self._front.metered(exchange, body.model, work)

    async def _all_models(self, exchange: Exchange, rest: str) -> None:
        await self._front.desk.identify(exchange.headers)
        await exchange.respond(200, encode(self._models.all()))

    async def _one_model(self, exchange: Exchange, rest: str) -> None:
        await self._front.desk.identify(exchange.headers)
        await exchange.respond(200, encode(self._models.one(rest)))

    async def _description(self, exchange: Exchange, rest: str) -> None:
        await exchange.respond(200, encode(description(self._front.name, guarded=self._front.desk.guarded)))

    async def _received(self, exchange: Exchange) -> tuple[Any, Terms]:
        """On whose behalf a request is, and what it says of itself; not while the server stops."""
        received = await self._front.desk.received(exchange.headers)
        _ = self._front.host.job
        return received


def _alone(requests: "Sequence[ChatRequest | CompletionRequest]", index: int) -> "ChatRequest | CompletionRequest":
    """The request for one choice. The n answers to one request are drawn by seeds of their own, lest they be equal."""
    number, turn = divmod(index, requests[0].n)
    request = requests[number]
    return replace(request, seed=request.seed + turn) if turn and request.seed is not None else request


def _parsed(exchange: Exchange, kind: type[bodies.B]) -> tuple[bodies.B, dict[str, Any]]:
    return bodies.parse_body(exchange.content, exchange.headers.get("content-type", "application/json"), kind)


def _texts(content: Any) -> list[str]:
    """The texts in the content of a message, which may be one, or a list of parts."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if isinstance(part.get("text"), str)]
