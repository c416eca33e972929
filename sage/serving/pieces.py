"""What an endpoint for chat may reply with, besides text.

::

    yield "Hello"                                   # text: one piece is one token, as far as is counted
    yield Delta("Hello", logprobs=[{"token": "Hello", "logprob": -0.1}])
    yield Delta(tool_calls=[ToolCallDelta(0, id="call_1", name="add", arguments='{"a": 1}')])
    yield Usage(prompt_tokens=12, completion_tokens=3)
    yield Finish("tool_calls")
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sage.operators.errors import shorten

__all__ = ["Delta", "Finish", "FinishReason", "ToolCallDelta", "Usage"]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


@dataclass(frozen=True)
class ToolCallDelta:
    """A part of a call of a tool; the parts with the same index make one call.

    Args:
        index: which call, from 0.
        id: its id; in the first part only.
        name: the tool; in the first part only.
        arguments: the next part of the arguments, which together are JSON.

    Raises:
        TypeError: the index is no whole number, or something else no text; clients would fail over it.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""

    def __post_init__(self) -> None:
        _check(self, "index", int)
        _check(self, "arguments", str)
        for name in ("id", "name"):
            _check(self, name, str, type(None))

    def as_json(self) -> dict[str, Any]:
        """In the types of JSON."""
        if self.id is None and self.name is None:
            return {"index": self.index, "function": {"arguments": self.arguments}}
        function = {"name": self.name or "", "arguments": self.arguments}
        return {"index": self.index, "id": self.id or f"call_{self.index}", "type": "function", "function": function}


@dataclass(frozen=True)
class Delta:
    """A piece of an answer that is more than text.

    Args:
        content: text.
        tool_calls: parts of calls of tools.
        refusal: text that says why there is no answer.
        reasoning: text of the model's reasoning.
        logprobs: of each token of the content ``{"token": "Hi", "logprob": -0.1}``, and what else the protocol has
            there: ``bytes``, and ``top_logprobs``, a list of the same.

    Raises:
        TypeError: what should be text is none.
    """

    content: str | None = None
    tool_calls: Sequence[ToolCallDelta] = ()
    refusal: str | None = None
    reasoning: str | None = None
    logprobs: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        for name in ("content", "refusal", "reasoning"):
            _check(self, name, str, type(None))

    def as_json(self) -> dict[str, Any]:
        """In the types of JSON."""
        found: dict[str, Any] = {"content": self.content, "refusal": self.refusal, "reasoning_content": self.reasoning}
        found = {name: value for name, value in found.items() if value is not None}
        if self.tool_calls:
            found["tool_calls"] = [call.as_json() for call in self.tool_calls]
        return found


@dataclass(frozen=True)
class Usage:
    """How many tokens were used; what is left out is counted.

    Args:
        prompt_tokens: of the request.
        completion_tokens: of the answer.

    Raises:
        TypeError: what should be a whole number is none.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("prompt_tokens", "completion_tokens"):
            _check(self, name, int, type(None))


@dataclass(frozen=True)
class Finish:
    """Why the answer ends. Nothing that comes behind it is shown.

    Args:
        reason: ``"stop"``, ``"length"``, ``"tool_calls"``, ``"content_filter"`` or ``"function_call"``.

    Raises:
        ValueError: it is none of these; clients would take any other for no end.
    """

    reason: FinishReason = "stop"

    def __post_init__(self) -> None:
        reasons = get_args(FinishReason)
        if self.reason not in reasons:
            raise ValueError(f"Finish({self.reason!r}): write one of {', '.join(map(repr, reasons))}")


def _check(piece: Any, name: str, *kinds: type) -> None:
    value = getattr(piece, name)
    if not isinstance(value, kinds):
        wanted = "a whole number" if kinds[0] is int else "a text"
        raise TypeError(f"{type(piece).__name__}({name}={shorten(value)}): write {wanted}")
