"""Answers in the shapes of the OpenAI protocol.

A chunk for a token is put together from bytes that are the same for the whole answer. It carries, besides what the
protocol asks for, ``"sage_mock": {"token": 3, "due": 1767225600.123456}``: which token it is, and when it was due, in
seconds since the epoch.
"""

import json
from collections.abc import Mapping
from typing import Any

from sage.serving.mock.engine import Token

__all__ = ["DONE", "ChatShape", "CompletionShape", "Shape"]

DONE = b"data: [DONE]\n\n"

Usage = Mapping[str, int]


class Shape:
    """The shape of one answer.

    Args:
        number: which answer of the server it is, for its id.
        model: the name of the model.
        created: when the request came, in seconds since the epoch.
        usage: whether a stream tells what was used; then every chunk has the field.
    """

    prefix = ""
    chunk_kind = ""
    whole_kind = ""

    def __init__(self, number: int, model: str, created: float, usage: bool = False) -> None:
        self._shared: dict[str, Any] = {
            "id": f"{self.prefix}-{number:08x}",
            "object": self.chunk_kind,
            "created": int(created),
            "model": model,
        }
        self._null_usage: dict[str, None] = {"usage": None} if usage else {}
        mark = "\0"  # stands for the text; json writes it as an escape that no other field has
        before, after = json.dumps(self._chunk(self._piece(mark), None)).split(json.dumps(mark))
        self._before = f"data: {before}".encode()
        self._after = after.removesuffix("}")

    def token(self, text: str, token: Token) -> bytes:
        """The chunk of a token."""
        after = f'{self._after}, "sage_mock": {{"token": {token.number}, "due": {token.due:.6f}}}}}\n\n'
        return self._before + json.dumps(text).encode() + after.encode()

    def opening(self) -> bytes:
        """What comes before the first token; maybe nothing."""
        return b""

    def finish(self, reason: str) -> bytes:
        """The chunk that tells why the answer ended."""
        return _event(self._chunk(self._piece(None), reason))

    def used(self, usage: Usage) -> bytes:
        """The chunk that tells what was used."""
        return _event({**self._shared, "choices": [], "usage": usage})

    def whole(self, text: str, reason: str, usage: Usage) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        choice = {"index": 0, **self._answer(text), "logprobs": None, "finish_reason": reason}
        return {**self._shared, "object": self.whole_kind, "choices": [choice], "usage": usage}

    def _chunk(self, piece: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
        choice = {"index": 0, **piece, "finish_reason": reason}
        return {**self._shared, "choices": [choice], **self._null_usage}

    def _piece(self, text: str | None) -> dict[str, Any]:
        """A part of a streamed answer; the last has no text."""
        raise NotImplementedError

    def _answer(self, text: str) -> dict[str, Any]:
        """A whole answer."""
        raise NotImplementedError


class ChatShape(Shape):
    """Answers of ``/v1/chat/completions``."""

    prefix = "chatcmpl"
    chunk_kind = "chat.completion.chunk"
    whole_kind = "chat.completion"

    def opening(self) -> bytes:
        """The role of who answers."""
        return _event(self._chunk({"delta": {"role": "assistant", "content": ""}}, None))

    def _piece(self, text: str | None) -> dict[str, Any]:
        return {"delta": {} if text is None else {"content": text}}

    def _answer(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}


class CompletionShape(Shape):
    """Answers of ``/v1/completions``."""

    prefix = "cmpl"
    chunk_kind = "text_completion"
    whole_kind = "text_completion"

    def _piece(self, text: str | None) -> dict[str, Any]:
        return {"text": text or "", "logprobs": None}

    def _answer(self, text: str) -> dict[str, Any]:
        return {"text": text}


def _event(body: object) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()
