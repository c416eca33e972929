"""What a local model is asked: the request of a server, a mapping, or a text, read into one shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sage.middleware.errors import ModelRefused
from sage.operators.numbers import is_number

__all__ = ["GenerationRequest"]


@dataclass(frozen=True)
class GenerationRequest:
    """A request for text, of a chat or of a text that goes on.

    Attributes:
        prompt: the text, if it is not a chat.
        messages: what was said so far, if it is one: ``{"role": "user", "content": "hello"}``.
        tools: the tools that the model is told of, as in the OpenAI protocol.
        max_tokens: how many tokens to make at most; `None` for as many as the model may.
        temperature: 0 for the likeliest token; `None` for what the model's own configuration says.
        top_p: draw among the likeliest tokens that together have this probability; `None` as above.
        top_k: draw among so many of the likeliest tokens; below 1 for all, `None` as above.
        presence_penalty, frequency_penalty: as in the OpenAI protocol.
        repetition_penalty: above 1 against tokens that were there before; `None` as above.
        seed: what to draw by; `None` for a new one each time.
        stop: texts that end the answer, and are not part of it.
    """

    prompt: str | None = None
    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Mapping[str, Any]] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Any, *, served: bool = False) -> "GenerationRequest":
        """Read a text, a mapping, or an object such as `sage.serving.ChatRequest`; what it does not have is left out.

        Parameters that an object has no attributes for are looked for in its ``extra``.

        Args:
            request: what is asked.
            served: whether a server asks, which does so once for each of the ``n`` answers that its client wants.

        Raises:
            ModelRefused: something in it cannot be.
        """
        if isinstance(request, str):
            return cls(prompt=request)
        fields = request if isinstance(request, Mapping) else _Attributes(request)
        messages = _messages(fields.get("messages"))
        prompt = fields.get("prompt")
        if bool(messages) == isinstance(prompt, str):
            raise ModelRefused(f"{_kind(request)}: give either messages, a list with one at least, or prompt, a text")
        _refuse_what_cannot_be_promised(fields)
        if not served and fields.get("n") not in (None, 1):
            raise ModelRefused("n: this model gives one answer to a request; ask several times")
        return cls(
            prompt=prompt if isinstance(prompt, str) else None,
            messages=messages,
            tools=None if fields.get("tool_choice") == "none" else fields.get("tools") or None,
            max_tokens=_number(fields, "max_tokens", int, 1, 2**31),
            temperature=_number(fields, "temperature", float, 0, 100),
            top_p=_number(fields, "top_p", float, 0, 1),
            top_k=_number(fields, "top_k", int, -1, 2**31),
            presence_penalty=_number(fields, "presence_penalty", float, -2, 2),
            frequency_penalty=_number(fields, "frequency_penalty", float, -2, 2),
            repetition_penalty=_number(fields, "repetition_penalty", float, 0.01, 100),
            seed=_number(fields, "seed", int, -(2**63), 2**63 - 1),
            stop=_stops(fields.get("stop")),
        )


class _Attributes:
    """The attributes of an object, to be asked for as in a mapping."""

    def __init__(self, holder: object) -> None:
        self._holder = holder

    def get(self, name: str) -> Any:
        value = getattr(self._holder, name, None)
        return (getattr(self._holder, "extra", None) or {}).get(name) if value is None else value


_Fields = Mapping[str, Any] | _Attributes


def _kind(request: object) -> str:
    return type(request).__name__


def _messages(given: object) -> list[Mapping[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ModelRefused("messages: give a list of messages")
    for index, message in enumerate(given):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise ModelRefused(f"messages[{index}]: give a mapping with a role and a content")
    return [{**message, "content": _text(message.get("content"), index)} for index, message in enumerate(given)]


def _text(content: object, index: int) -> str:
    """The text of a message: templates of chats know no other parts."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, Sequence) else [None]
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise ModelRefused(f"messages[{index}].content: this model reads text only")
    return "".join(str(text) for text in texts)


def _number(fields: _Fields, name: str, kind: type, least: float, most: float) -> Any:
    value = fields.get(name)
    if value is None:
        return None
    fits = is_number(value, least=least) and value <= most
    if not fits or (kind is int and value != int(value)):
        raise ModelRefused(f"{name}={value!r}: write a {'whole ' if kind is int else ''}number, {least} to {most}")
    return kind(value)


def _stops(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    stops = (given,) if isinstance(given, str) else given
    if not isinstance(stops, Sequence) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ModelRefused("stop: give a text, or a list of texts")
    return tuple(stops)


def _refuse_what_cannot_be_promised(fields: _Fields) -> None:
    form = fields.get("response_format")
    if isinstance(form, Mapping) and form.get("type", "text") != "text":
        raise ModelRefused(f"response_format={form.get('type')!r}: this model cannot be held to a format; leave it out")
    if fields.get("tool_choice") not in (None, "none", "auto"):
        raise ModelRefused("tool_choice: this model cannot be made to call a tool; write 'auto' or 'none'")
    for name in ("logprobs", "logit_bias", "min_p", "suffix", "echo"):
        if fields.get(name):
            raise ModelRefused(f"{name}: this model does not do that; leave it out")
