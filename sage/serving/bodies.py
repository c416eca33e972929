"""Bodies of requests: read, checked, and made into what the program gets.

What a body may hold is told once, by the classes below: they check it, and the description of the server
(``/openapi.json``) is made of them.
"""

import re
from typing import Annotated, Any, TypeVar

import msgspec

from sage.serving.errors import RequestError
from sage.serving.requests import ChatRequest, CompletionRequest

__all__ = ["ChatBody", "CompletionBody", "EmbeddingBody", "parse_body"]

B = TypeVar("B", bound="Body")

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Few = Annotated[int, msgspec.Meta(ge=1, le=16)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Stop = Text | Annotated[list[Text], msgspec.Meta(max_length=16)] | None


class Body(msgspec.Struct, kw_only=True):
    """What every body has."""

    model: Text
    user: str | None = None


#: Whose messages are nothing without content; an assistant's may be calls of tools.
_SPEAKERS = frozenset({"system", "developer", "user", "tool"})


class Message(msgspec.Struct):
    """A message of a conversation. It may hold more than this."""

    role: Text
    content: str | list[dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.content is None and self.role in _SPEAKERS:
            raise ValueError(f"A message of the {self.role} has no `content`")


class StreamOptions(msgspec.Struct):
    """What a client wants of a stream."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class SampledBody(Body, kw_only=True):
    """What the bodies of chat and completions have in common."""

    max_tokens: Positive | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = None
    n: Few | None = None
    stop: Stop = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def usage(self) -> bool:
        """Whether the client wants to know the usage behind a stream."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def running_usage(self) -> bool:
        """Whether it wants to know it with every chunk."""
        return self.stream_options is not None and bool(self.stream_options.continuous_usage_stats)

    def sampled(self, raw: dict[str, Any], request_id: str, key: Any) -> dict[str, Any]:
        """What both kinds of request are made with."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        same = ("model", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "user")
        return {
            **{name: getattr(self, name) for name in same},
            "id": request_id,
            "key": key,
            "max_tokens": self.max_tokens,
            "stop": tuple(stop),
            "n": self.n or 1,
            "stream": bool(self.stream),
            "extra": {name: value for name, value in raw.items() if name not in self.__struct_fields__},
        }


class ChatBody(SampledBody, kw_only=True):
    """The body of a request for ``/v1/chat/completions``."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: Positive | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None

    def request(self, raw: dict[str, Any], request_id: str, key: Any) -> ChatRequest:
        """What the program gets.

        Args:
            raw: the body as it was written.
            request_id: the request's id.
            key: on whose behalf.
        """
        same = ("tools", "tool_choice", "response_format", "logprobs", "top_logprobs")
        sampled = self.sampled(raw, request_id, key)
        sampled["max_tokens"] = self.max_completion_tokens or self.max_tokens
        return ChatRequest(messages=raw["messages"], **sampled, **{name: getattr(self, name) for name in same})


class CompletionBody(SampledBody, kw_only=True):
    """The body of a request for ``/v1/completions``."""

    prompt: str | list[Any]
    suffix: str | None = None
    echo: bool | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None

    def requests(self, raw: dict[str, Any], request_id: str, key: Any) -> list[CompletionRequest]:
        """What the program gets, one for each text.

        Args:
            raw: the body as it was written.
            request_id: the request's id.
            key: on whose behalf.

        Raises:
            RequestError: a prompt is not a text.
        """
        sampled = self.sampled(raw, request_id, key)
        more = {name: getattr(self, name) for name in ("suffix", "echo", "logprobs")}
        texts = texts_of(self.prompt, "prompt")
        return [CompletionRequest(prompt=text, **sampled, **more) for text in texts]


class EmbeddingBody(Body, kw_only=True):
    """The body of a request for ``/v1/embeddings``."""

    input: str | list[Any]
    encoding_format: str | None = None
    dimensions: Positive | None = None

    def texts(self) -> list[str]:
        """What is to be embedded.

        Raises:
            RequestError: it is not text, or in a format that there is not.
        """
        if self.encoding_format not in (None, "float", "base64"):
            raise RequestError(
                f"encoding_format={self.encoding_format!r}: write 'float' or 'base64'", param="encoding_format"
            )
        return texts_of(self.input, "input")


def parse_body(data: bytes, content_type: str, kind: type[B]) -> tuple[B, dict[str, Any]]:
    """Read a body and check it; also gives it as it was written.

    Args:
        data: the bytes.
        content_type: what the client says that it is.
        kind: what it has to hold.

    Raises:
        RequestError: it is no JSON, or does not hold what it has to.
    """
    raw = parse_json(data, content_type)
    if not isinstance(raw, dict):
        raise RequestError("the body must be a JSON object")
    try:
        return msgspec.convert(raw, kind), raw
    except msgspec.ValidationError as error:
        raise RequestError(str(error), param=_param(str(error))) from None


def parse_json(data: bytes, content_type: str) -> Any:
    """Read a body of JSON.

    Raises:
        RequestError: it is none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise RequestError(f"the content type is {kind!r}; send application/json", status=415)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def texts_of(value: str | list[Any], param: str) -> list[str]:
    """One text or several, as a list.

    Raises:
        RequestError: there is none, or something else than text.
    """
    texts = [value] if isinstance(value, str) else value
    if not texts:
        raise RequestError(f"{param} is empty", param=param)
    if len(texts) > _MOST_TEXTS:
        raise RequestError(f"{param} has {len(texts)} texts; send {_MOST_TEXTS} at most", param=param)
    if not all(isinstance(text, str) for text in texts):
        raise RequestError(f"{param} must be a text or a list of texts; lists of tokens are not taken", param=param)
    return texts


_MOST_TEXTS = 2048
_PATH = re.compile(r"`\$\.(\w+)")
_MISSING = re.compile(r"missing required field `(\w+)`")


def _param(message: str) -> str | None:
    """The parameter that a complaint of msgspec is about."""
    found = _PATH.search(message) or _MISSING.search(message)
    return found[1] if found else None
