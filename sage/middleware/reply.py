"""What a chat model answers: in parts as they come, and as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sage.operators.llm import Message, ToolCall, assistant

__all__ = ["Part", "Reply", "ReplyBuilder", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens a request took.

    Attributes:
        prompt_tokens: those of the messages.
        completion_tokens: those of the answer.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an answer.

    Attributes:
        text: what is added to the text; may be empty.
        tool_calls: pieces of the calls that the model wants, as the protocol writes them; see `ReplyBuilder`.
        finish_reason: with the last part, why the model stopped: ``"stop"``, ``"length"``, ``"tool_calls"`` ...
        usage: how many tokens it took, if the server tells; mostly in a part of its own, at the end.
        model: what the server calls the model that answers.
        reasoning: what is added to the text of its reasoning, which is no part of the answer.
        refusal: what is added to why there is no answer.
        logprobs: how likely the tokens of the text were, as the protocol writes them; see `sage.serving.Delta`.
    """

    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str = ""
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[Mapping[str, Any], ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether there is more in it than the name of the model."""
        said = (self.text, self.tool_calls, self.finish_reason, self.usage, self.reasoning, self.refusal, self.logprobs)
        return any(said)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    Attributes:
        text: what the model has written; may be empty when it only calls tools.
        tool_calls: what it wants called.
        finish_reason: why it stopped: ``"stop"``, ``"length"``, ``"tool_calls"``, ``"content_filter"``.
        usage: how many tokens it took; zeros if the server did not tell.
        model: what the server calls the model that has answered.
        reasoning: what it told of its reasoning; may be empty.
        refusal: why there is no answer; may be empty.
        logprobs: how likely the tokens of the text were, if that was asked for.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    reasoning: str = ""
    refusal: str = ""
    logprobs: tuple[Mapping[str, Any], ...] = ()

    @property
    def message(self) -> Message:
        """The answer as a message, to go on with the conversation."""
        return assistant(self.text or None if self.tool_calls else self.text, self.tool_calls)


class ReplyBuilder:
    """Puts the parts of an answer together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._logprobs: list[Mapping[str, Any]] = []
        # By the index that the protocol gives each call: id, name, and the pieces of its arguments.
        self._calls: dict[int, tuple[list[str], list[str], list[str]]] = {}
        self._finish_reason = "stop"
        self._usage = Usage()
        self._model = ""

    def add(self, part: Part) -> None:
        """Take a part in."""
        for texts, text in ((self._texts, part.text), (self._reasoning, part.reasoning), (self._refusal, part.refusal)):
            if text:
                texts.append(text)
        self._logprobs += part.logprobs
        for piece in part.tool_calls:
            self._add_call(piece)
        self._finish_reason = part.finish_reason or self._finish_reason
        self._usage = part.usage or self._usage
        self._model = part.model or self._model

    def reply(self) -> Reply:
        """The answer so far."""
        calls = (self._calls[index] for index in sorted(self._calls))
        made = tuple(
            ToolCall("".join(id) or f"call_{number}", "".join(name), "".join(arguments))
            for number, (id, name, arguments) in enumerate(calls)
        )
        text, reasoning, refusal = map("".join, (self._texts, self._reasoning, self._refusal))
        logprobs = tuple(self._logprobs)
        return Reply(text, made, self._finish_reason, self._usage, self._model, reasoning, refusal, logprobs)

    def _add_call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        if not isinstance(index, int):  # servers that send each call as a whole may leave it out
            index = len(self._calls)
        id, name, arguments = self._calls.setdefault(index, ([], [], []))
        function = piece.get("function") or {}
        # The id and the name come once; some servers repeat them with each piece.
        if piece.get("id") and not id:
            id.append(piece["id"])
        if function.get("name") and not name:
            name.append(function["name"])
        arguments.append(function.get("arguments") or "")
