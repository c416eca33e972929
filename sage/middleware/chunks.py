"""The chunks of a streamed answer, as the OpenAI protocol writes them; what else servers send is refused."""

import json
from typing import Any, TypeVar

from sage.middleware.connection import told_error
from sage.middleware.errors import AnswerBroken
from sage.middleware.model_server import ModelServer
from sage.middleware.reply import Part, Usage
from sage.middleware.sse import ServerEvent

__all__ = ["part_of"]

T = TypeVar("T")


def part_of(event: ServerEvent, server: ModelServer) -> Part | None:
    """What an event says of the first choice; `None` if nothing.

    Raises:
        ModelError: it tells of an error, or is not what the protocol says.
    """
    try:
        chunk = json.loads(event.data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise AnswerBroken(f"an event of the stream is no JSON object: {event.data[:200]!r}", server=str(server))
    if chunk.get("error") or event.kind == "error":
        raise told_error(server, chunk)
    try:
        part = _part(chunk)
    except TypeError as error:
        what = f"an event is not what the protocol says, at {error}: {event.data[:200]!r}"
        raise AnswerBroken(what, server=str(server)) from None
    return part if part.says_something else None


def _part(chunk: dict[str, Any]) -> Part:
    first: dict[str, Any] = {}
    for choice in _field(chunk, "choices", list, []):
        if not isinstance(choice, dict):
            raise TypeError("choices")
        if not first and choice.get("index", 0) == 0:
            first = choice
    delta = _field(first, "delta", dict, {})
    calls = _field(delta, "tool_calls", list, [])
    for call in calls:
        _check_call(call)
    logprobs = _field(_field(first, "logprobs", dict, {}), "content", list, [])
    if not all(isinstance(token, dict) for token in logprobs):
        raise TypeError("logprobs")
    usage = _field(chunk, "usage", dict, {})
    return Part(
        _field(delta, "content", str, ""),
        tuple(calls),
        _field(first, "finish_reason", str, "") or None,
        Usage(_field(usage, "prompt_tokens", int, 0), _field(usage, "completion_tokens", int, 0)) if usage else None,
        _field(chunk, "model", str, ""),
        _field(delta, "reasoning_content", str, "") or _field(delta, "reasoning", str, ""),
        _field(delta, "refusal", str, ""),
        tuple(logprobs),
    )


def _check_call(call: Any) -> None:
    if not isinstance(call, dict):
        raise TypeError("tool_calls")
    _field(call, "index", int, 0)
    _field(call, "id", str, "")
    function = _field(call, "function", dict, {})
    _field(function, "name", str, "")
    _field(function, "arguments", str, "")


def _field(holder: dict[str, Any], name: str, kind: type[T], default: T) -> T:
    value = holder.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise TypeError(name)
    return value
