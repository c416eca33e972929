"""Chat requests passed on as they are: a gateway to other servers."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sage.errors import GraphError
from sage.middleware.answering import limits_of
from sage.middleware.errors import ModelError, ModelRefused
from sage.services.finding import service

if TYPE_CHECKING:
    from sage.serving.errors import RequestError
    from sage.serving.pieces import Delta, Finish, ToolCallDelta, Usage

__all__ = ["Relay"]

logger = logging.getLogger("sage.middleware")
# Bad request, too large, cannot be processed. Others (a wrong key) are about the gateway.
_ABOUT_THE_REQUEST = frozenset({400, 413, 422})


class Relay:
    """Passes chat requests on to a chat model, and its whole answer back: text, calls of tools, why it ended, usage.

    ::

        env.register_service("upstream", ChatModel, ModelServer(...), ModelServer(...))
        env.endpoint("chat").flat_map(Relay("upstream"), concurrency=256).reply()
        app = sage.serving.openai_app(env, chat={"qwen3": "chat"})

    Args:
        model: the name of a service such as `ChatModel`: ``stream(messages, **options)`` gives parts.
        options: what every request says; the request's own limits count more, what it says besides counts less.

    Raises:
        GraphError: `model` is no name.
    """

    def __init__(self, model: str, **options: Any) -> None:
        if not isinstance(model, str):
            raise GraphError(
                f"Relay({model!r}): write the name of a service: env.register_service(name, ChatModel, ...)"
            )
        self._model = model
        self._options = options

    async def __call__(self, request: Any) -> "AsyncGenerator[str | Delta | Usage | Finish, None]":
        """What the model answers, in the pieces that `openai_app` takes.

        Cancel safety: closing it, or cancelling whoever reads it, stops the model.

        Raises:
            RequestError: the model failed, and what a client is told of it: 429 with the time to come back, 504, 502,
                or what the model refuses about the request itself. The `ModelError` is its cause, and is logged.
        """
        from sage.serving.pieces import Delta, Usage  # loaded for programs that are served

        options = {**self._options, **limits_of(request)}
        for name in ("tools", "tool_choice", "logprobs", "top_logprobs", "user"):
            if getattr(request, name, None):
                options[name] = getattr(request, name)
        if more := getattr(request, "extra", None):
            options["extra_body"] = {**more, **options.get("extra_body", {})}
        reason = "stop"
        try:
            async with aclosing(service(self._model).stream(request.messages, **options)) as parts:
                async for part in parts:
                    calls = [_piece(call) for call in part.tool_calls]
                    if calls or part.reasoning or part.refusal or part.logprobs:
                        told = (
                            part.text or None,
                            calls or (),
                            part.refusal or None,
                            part.reasoning or None,
                            part.logprobs,
                        )
                        yield Delta(*told)
                    elif part.text:
                        yield part.text
                    if part.usage:
                        yield Usage(part.usage.prompt_tokens, part.usage.completion_tokens)
                    reason = part.finish_reason or reason
        except ModelError as error:
            logger.warning("request %s: %s", getattr(request, "id", ""), error)
            raise _problem(error) from error
        # Behind it nothing is shown, and what was used comes behind the reason.
        yield _finish(reason)


def _problem(error: ModelError) -> "RequestError":
    """What a client is told. The request is its own, so what the model finds wrong with it is for the client, too."""
    if not (isinstance(error, ModelRefused) and error.status in _ABOUT_THE_REQUEST):
        return error.for_client()
    from sage.serving.errors import RequestError

    return RequestError(error.reason, status=error.status or 400, code=error.code)


def _finish(reason: str) -> "Finish":
    from sage.serving.pieces import Finish

    known: Any = reason
    try:
        return Finish(known)
    except ValueError:  # servers have reasons of their own; clients take those for no end
        return Finish("stop")


def _piece(call: Mapping[str, Any]) -> "ToolCallDelta":
    from sage.serving.pieces import ToolCallDelta

    function = call.get("function") or {}
    return ToolCallDelta(call.get("index") or 0, call.get("id"), function.get("name"), function.get("arguments") or "")
