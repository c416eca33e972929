"""A language model that runs in this process, as a service."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, TypedDict

from sage.errors import GraphError, ServiceUnavailable
from sage.middleware.engine.batching import ContinuousBatching, Place
from sage.middleware.engine.decoder import Decoder
from sage.middleware.engine.loading import LoadedModel, load_model
from sage.middleware.engine.prompts import prepared
from sage.middleware.engine.requests import GenerationRequest
from sage.middleware.engine.tool_calls import ToolCallReader
from sage.middleware.errors import ModelRefused
from sage.services import Service
from sage.serving.errors import RequestError
from sage.serving.pieces import Delta, Finish, Usage

__all__ = ["Generated", "TransformersModel"]


class Generated(TypedDict):
    """A whole answer."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class TransformersModel(Service):
    """A causal language model of `transformers`, with continuous batching.

    ::

        env.register_service("llm", TransformersModel, "Qwen/Qwen2.5-0.5B-Instruct", max_num_seqs=8)

        async for text in sage.service("llm").generate({"messages": messages, "max_tokens": 200}):
            ...

    Requests join and leave the batch between two steps of the model; each step gives a token to every answer that is
    being made. What a request gets does not depend on who else is in the batch. The model runs in a thread of its own.
    A reader that is slower than the model gets longer pieces: what is unread is bounded by `max_tokens`.

    Args:
        model: a folder, or a name on the hub.
        device: as torch calls it; ``"auto"`` for the quickest there is.
        dtype: as torch calls it; ``"auto"`` for that in which the model was saved.
        max_num_seqs: how many answers are made at the same time.
        max_waiting: how many requests wait for that; more are refused with `Overloaded`. (`max_queue` and
            `max_concurrency` of `register_service` would count before the model does; leave them out.)
        max_tokens: how many tokens an answer has at most, and if the request does not say.
        prefill_tokens: how many tokens of new prompts are read in a step: the more, the sooner a first token, and the
            longer the others wait for their next.
        kv_tokens: of how many tokens, prompts and answers of all that are being made, keys and values are held at most;
            `None` for as many as `max_num_seqs` answers may have. Rows are as long as the longest, and what is held is
            copied when an answer begins or ends, so that twice as much is taken for a moment. Requests wait for room,
            and none may have more by itself.
        revision: which version on the hub.
        local_files_only: whether nothing is fetched from the hub.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        max_num_seqs: int = 8,
        max_waiting: int = 64,
        max_tokens: int = 512,
        prefill_tokens: int = 512,
        kv_tokens: int | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
    ) -> None:
        least = {"max_num_seqs": (max_num_seqs, 1), "max_waiting": (max_waiting, 0)}
        least |= {"max_tokens": (max_tokens, 1), "prefill_tokens": (prefill_tokens, 1)}
        if kv_tokens is not None:
            least["kv_tokens"] = (kv_tokens, 2)
        for name, (value, smallest) in least.items():
            if value < smallest:
                raise GraphError(f"TransformersModel({name}={value!r}): write a whole number, {smallest} or more")
        self.model = str(model)
        self.max_tokens = max_tokens
        self.prefill_tokens = prefill_tokens
        self._load = partial(
            load_model, self.model, device=device, dtype=dtype, revision=revision, local_files_only=local_files_only
        )
        self.kv_tokens = kv_tokens
        self._limits = {"max_num_seqs": max_num_seqs, "max_waiting": max_waiting}
        self._batching: ContinuousBatching | None = None
        self._loaded: LoadedModel | None = None
        self._steps: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the model.

        Cancel safety: what is being loaded is loaded to its end, and thrown away by `stop`.

        Raises:
            NotAvailable: torch or transformers are not installed, or the model is not of a kind that can be batched.
            OSError: there is no such model.
        """
        self._batching = ContinuousBatching(self.model, **self._limits, kv_tokens=self.kv_tokens)
        self._loaded = await self._batching.in_thread(self._load)
        decoder = Decoder(self._loaded, prefill_tokens=self.prefill_tokens)
        self._steps = asyncio.create_task(self._batching.run(decoder), name=f"steps of {self.model}")

    async def stop(self) -> None:
        """Make no more tokens, and let go of the model; answers under way fail.

        Cancel safety: it is shielded.
        """
        if self._batching is not None:
            await self._batching.aclose()
        if self._steps is not None:
            await self._steps
        self._loaded = self._steps = None

    async def health(self) -> Mapping[str, Any]:
        """Whether it makes tokens, how many answers it makes now, and how many requests wait.

        Cancel safety: nothing is changed.
        """
        running = self._steps is not None and not self._steps.done()
        if self._batching is None:
            return {"ok": False}
        return {"ok": running, "running": self._batching.running, "waiting": self._batching.waiting}

    async def generate(self, request: Any) -> AsyncGenerator[str, None]:
        """The text of an answer, piece by piece.

        Args:
            request: a text, or a mapping or an object with `messages` or `prompt`, and maybe what else
                `GenerationRequest` has, as in the OpenAI protocol.

        Cancel safety: closing the generator, or cancelling whoever reads it, frees its place at the next step.

        Raises:
            ModelRefused: the request cannot be.
            Overloaded: too many requests wait already.
            ServiceUnavailable: a step of the model failed, or the model was stopped.
        """
        batching = self._running_batching()
        with batching.place() as place:
            await self._begin(batching, place, GenerationRequest.of(request))
            while text := await place.text():
                yield text

    async def answer(self, request: Any) -> AsyncGenerator[str | Delta | Usage | Finish, None]:
        """The same for an endpoint that is served: at the end comes what was used, and why the answer ended.

        Where a request has tools, calls of them that the model writes as ``<tool_call>{...}</tool_call>`` are told as
        such.

        ::

            async def chat(request):
                async for reply in sage.service("llm").answer(request):
                    yield reply

            env.endpoint("chat").flat_map(chat, concurrency=32).reply()

        Args:
            request: as for `generate`.

        Cancel safety: as `generate`.

        Raises:
            RequestError: the request cannot be; whoever made it is told why.
            Overloaded, ServiceUnavailable: as `generate`.
        """
        batching = self._running_batching()
        with batching.place() as place:
            try:
                wanted = GenerationRequest.of(request, served=True)
                prompt_tokens = await self._begin(batching, place, wanted)
            except ModelRefused as refusal:
                raise RequestError(str(refusal), code=refusal.code) from refusal
            reader = ToolCallReader() if wanted.tools else None
            while text := await place.text():
                for piece in [text] if reader is None else reader.feed(text):
                    yield piece
            for piece in () if reader is None else reader.flush():
                yield piece
            yield Usage(prompt_tokens, place.made)
            called = reader is not None and reader.calls and place.reason == "stop"
            yield Finish("tool_calls" if called else place.reason or "stop")

    async def complete(self, request: Any) -> Generated:
        """A whole answer.

        Args:
            request: as for `generate`.

        Cancel safety: when cancelled, its place is free at the next step.

        Raises:
            ModelRefused, Overloaded, ServiceUnavailable: as `generate`.
        """
        batching = self._running_batching()
        with batching.place() as place:
            prompt_tokens = await self._begin(batching, place, GenerationRequest.of(request))
            parts = []
            while text := await place.text():
                parts.append(text)
            return Generated(
                text="".join(parts),
                finish_reason=place.reason or "stop",
                prompt_tokens=prompt_tokens,
                completion_tokens=place.made,
            )

    async def _begin(self, batching: ContinuousBatching, place: Place, wanted: GenerationRequest) -> int:
        """Put a request in line; gives the number of tokens of its prompt."""
        assert self._loaded is not None, "it has started"
        generation = await batching.in_thread(prepared, self._loaded, wanted, self.max_tokens, self.kv_tokens)
        batching.begin(place, generation)
        return len(generation.prompt)

    def _running_batching(self) -> ContinuousBatching:
        if self._batching is None or self._loaded is None:
            raise ServiceUnavailable(f"{self.model} has not been started, or was stopped")
        return self._batching
