"""Answers in the shapes of the OpenAI protocol: chunks of a stream, and whole.

Of a chunk only the text changes, so all around it is encoded once for each stream.
"""

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from sage.serving.choice import Choice, Piece
from sage.serving.installed import needed
from sage.serving.pieces import Delta

__all__ = ["ChatShape", "Shape", "TextShape", "usage_of"]


def usage_of(choices: Sequence[Choice], prompt_tokens: int) -> dict[str, int]:
    """What a request used.

    Args:
        choices: its answers.
        prompt_tokens: an estimate of what the request has, unless the program says better.
    """
    said = next((choice.prompt_tokens for choice in choices if choice.prompt_tokens is not None), prompt_tokens)
    made = sum(choice.completion_tokens for choice in choices)
    return {"prompt_tokens": said, "completion_tokens": made, "total_tokens": said + made}


class Shape(ABC):
    """What the shapes of chat and of text have in common.

    Args:
        model: the model's id.
        usage: whether the client wants to know the usage behind the chunks.
        running_usage: whether it wants to know it with every chunk.
    """

    prefix = ""
    kind = ""
    whole_kind = ""

    def __init__(self, model: str, *, usage: bool = False, running_usage: bool = False) -> None:
        self._encode = needed("msgspec.json").encode
        self._running_usage = running_usage
        self._usage = usage
        self._head = {
            "id": f"{self.prefix}-{uuid.uuid4().hex}",
            "object": self.kind,
            "created": int(time.time()),
            "model": model,
        }
        # Every chunk but the last says that it does not know the usage, if the last does.
        self._tail = {"usage": None} if usage else {}
        self._templates: dict[int, tuple[bytes, bytes, bytes]] = {}

    def opening(self, index: int) -> bytes:
        """What comes before the first piece of a choice; maybe nothing."""
        return b""

    def pieces(self, choice: Choice, pieces: Sequence[Piece], usage: dict[str, int] | None) -> bytes:
        """Pieces as events, one for each.

        Args:
            choice: to which they belong.
            pieces: what is shown.
            usage: what was used so far, for those who want to know.
        """
        if pieces and usage is None and set(map(type, pieces)) == {str}:
            before, between, after = self._template(choice.index)
            return before + between.join(map(self._encode, pieces)) + after
        tail = {"usage": usage} if usage else self._tail
        return b"".join([self._event([self._part(choice.index, piece, None)], tail) for piece in pieces])

    def closing(self, choice: Choice, usage: dict[str, int] | None) -> bytes:
        """Why a choice ended, as an event."""
        part = self._part(choice.index, None, choice.finish_reason)
        return self._event([part], {"usage": usage} if usage else self._tail)

    def last(self, usage: dict[str, int]) -> bytes:
        """What comes behind all choices."""
        return (self._event([], {"usage": usage}) if self._usage else b"") + b"data: [DONE]\n\n"

    @property
    def running_usage(self) -> bool:
        """Whether every chunk tells the usage."""
        return self._running_usage

    def whole(self, texts: Sequence[Sequence[Piece]], choices: Sequence[Choice], usage: dict[str, int]) -> bytes:
        """The whole response.

        Args:
            texts: what is shown of each choice.
            choices: how they ended.
            usage: what was used.
        """
        parts = [self._whole(choice, pieces) for choice, pieces in zip(choices, texts, strict=True)]
        body: bytes = self._encode({**self._head, "object": self.whole_kind, "choices": parts, "usage": usage})
        return body

    @abstractmethod
    def _part(self, index: int, piece: Piece | None, reason: str | None) -> dict[str, Any]:
        """A choice in a chunk: a piece of it, or why it ended."""

    @abstractmethod
    def _whole(self, choice: Choice, pieces: Sequence[Piece]) -> dict[str, Any]:
        """A choice in a whole response."""

    def _event(self, parts: list[dict[str, Any]], tail: dict[str, Any]) -> bytes:
        encoded: bytes = self._encode({**self._head, "choices": parts, **tail})
        return b"data: " + encoded + b"\n\n"

    def _template(self, index: int) -> tuple[bytes, bytes, bytes]:
        """What stands before, between and behind the texts of a run of events."""
        if index not in self._templates:
            mark = uuid.uuid4().hex
            before, after = self._event([self._part(index, mark, None)], self._tail).split(self._encode(mark))
            self._templates[index] = before, after + before, after
        return self._templates[index]


class ChatShape(Shape):
    """The shape of ``/v1/chat/completions``. Arguments as in `Shape`."""

    prefix = "chatcmpl"
    kind = "chat.completion.chunk"
    whole_kind = "chat.completion"

    def opening(self, index: int) -> bytes:
        """Who speaks."""
        part = {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return self._event([part], self._tail)

    def _part(self, index: int, piece: Piece | None, reason: str | None) -> dict[str, Any]:
        if not isinstance(piece, Delta):
            return {"index": index, "delta": {} if piece is None else {"content": piece}, "finish_reason": reason}
        part = {"index": index, "delta": piece.as_json(), "finish_reason": reason}
        return {**part, "logprobs": _logprobs([piece])} if piece.logprobs else part

    def _whole(self, choice: Choice, pieces: Sequence[Piece]) -> dict[str, Any]:
        deltas = [Delta(piece) if isinstance(piece, str) else piece for piece in pieces]
        calls = _joined_calls(deltas)
        content = "".join(delta.content or "" for delta in deltas)
        refusal = "".join(delta.refusal or "" for delta in deltas)
        reasoning = "".join(delta.reasoning or "" for delta in deltas)
        instead = bool(calls or refusal)
        message: dict[str, Any] = {"role": "assistant", "content": content if content or not instead else None}
        more = {"refusal": refusal, "reasoning_content": reasoning, "tool_calls": calls}
        message |= {name: value for name, value in more.items() if value}
        reason, logprobs = choice.finish_reason, _logprobs(deltas)
        return {"index": choice.index, "message": message, "finish_reason": reason, "logprobs": logprobs}


class TextShape(Shape):
    """The shape of ``/v1/completions``. Arguments as in `Shape`."""

    prefix = "cmpl"
    kind = "text_completion"
    whole_kind = "text_completion"

    def __init__(self, model: str, *, usage: bool = False, running_usage: bool = False) -> None:
        super().__init__(model, usage=usage, running_usage=running_usage)
        # How much text of each choice was streamed: the places of tokens are those in the whole text.
        self._streamed: dict[int, int] = {}

    def pieces(self, choice: Choice, pieces: Sequence[Piece], usage: dict[str, int] | None) -> bytes:
        """See `Shape.pieces`."""
        if set(map(type, pieces)) <= {str}:
            return self._run(choice, pieces, usage)
        return b"".join([self._run(choice, [piece], usage) for piece in pieces])

    def _run(self, choice: Choice, pieces: Sequence[Piece], usage: dict[str, int] | None) -> bytes:
        events = super().pieces(choice, pieces, usage)
        self._streamed[choice.index] = self._streamed.get(choice.index, 0) + sum(len(_text(piece)) for piece in pieces)
        return events

    def _part(self, index: int, piece: Piece | None, reason: str | None) -> dict[str, Any]:
        logprobs = _text_logprobs([piece] if isinstance(piece, Delta) else [], self._streamed.get(index, 0))
        return {"index": index, "text": _text(piece), "finish_reason": reason, "logprobs": logprobs}

    def _whole(self, choice: Choice, pieces: Sequence[Piece]) -> dict[str, Any]:
        whole = self._part(choice.index, "".join(map(_text, pieces)), choice.finish_reason)
        return {**whole, "logprobs": _text_logprobs([piece for piece in pieces if isinstance(piece, Delta)])}


def _text(piece: Piece | None) -> str:
    return (piece.content if isinstance(piece, Delta) else piece) or ""


def _logprobs(deltas: Sequence[Delta]) -> dict[str, Any] | None:
    """How likely the tokens of a chat's answer were; `None` if the program did not say."""
    content = [token for delta in deltas for token in delta.logprobs]
    return {"content": content, "refusal": None} if content else None


def _text_logprobs(deltas: Sequence[Delta], start: int = 0) -> dict[str, Any] | None:
    """The same as completions have it: in columns, with the place of each token in a text that begins at `start`."""
    tokens = [token for delta in deltas for token in delta.logprobs]
    if not tokens:
        return None
    lengths = [len(token["token"]) for token in tokens]
    top = [{other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()} for token in tokens]
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": top if any(top) else None,
        "text_offset": list(accumulate(lengths[:-1], initial=start)),
    }


def _joined_calls(deltas: Sequence[Delta]) -> list[dict[str, Any]]:
    """The calls of tools, each of its parts."""
    calls: dict[int, dict[str, Any]] = {}
    for part in (part for delta in deltas for part in delta.tool_calls):
        call = calls.setdefault(
            part.index,
            {"id": f"call_{part.index}", "type": "function", "function": {"name": "", "arguments": ""}},
        )
        call["id"] = part.id or call["id"]
        call["function"]["name"] += part.name or ""
        call["function"]["arguments"] += part.arguments
    return [calls[index] for index in sorted(calls)]
