"""What clients ask for, read from the bodies of their requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sage.operators.numbers import is_count
from sage.serving.errors import RequestError

__all__ = ["EmbeddingRequest", "TextRequest", "read_chat", "read_completion", "read_embedding"]

_MAX_TOKENS = 1_000_000
_MAX_DIMENSIONS = 65_536


@dataclass(frozen=True)
class TextRequest:
    """A request for text, of a chat or of a completion.

    Attributes:
        model: the model it asks.
        prompt: all of its text.
        prompt_tokens: how many words or tokens that is.
        max_tokens: how many tokens the answer has at most; `None` for as many as the model likes.
        exact: whether it has exactly `max_tokens` (``ignore_eos``, as vLLM calls it).
        stop: where the answer ends, before the first of them.
        seed: what to draw the words by.
        stream: whether to send each token when it is made.
        usage: whether a stream ends with what was used.
    """

    model: str
    prompt: str
    prompt_tokens: int
    max_tokens: int | None
    exact: bool
    stop: tuple[str, ...]
    seed: int | None
    stream: bool
    usage: bool


@dataclass(frozen=True)
class EmbeddingRequest:
    """A request for vectors.

    Attributes:
        model: the model it asks.
        texts: one vector for each.
        dimensions: how long the vectors are; `None` for what is usual.
        base64: whether they are sent packed.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None
    base64: bool


def read_chat(body: Mapping[str, Any]) -> TextRequest:
    """Read a request to ``/v1/chat/completions``.

    Raises:
        RequestError: something in it cannot be.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("messages: give a list of messages, at least one", param="messages")
    prompt = "\n".join(_said(message, index) for index, message in enumerate(messages))
    return _text_request(body, prompt, len(prompt.split()))


def read_completion(body: Mapping[str, Any]) -> TextRequest:
    """Read a request to ``/v1/completions``.

    Raises:
        RequestError: something in it cannot be.
    """
    prompts = _texts(body, "prompt")
    if len(prompts) != 1:
        raise RequestError("prompt: this server takes one prompt in a request", param="prompt")
    return _text_request(body, prompts[0], len(prompts[0].split()))


def read_embedding(body: Mapping[str, Any]) -> EmbeddingRequest:
    """Read a request to ``/v1/embeddings``.

    Raises:
        RequestError: something in it cannot be.
    """
    packing = body.get("encoding_format") or "float"
    if packing not in ("float", "base64"):
        raise RequestError("encoding_format: write 'float' or 'base64'", param="encoding_format")
    dimensions = _whole(body, "dimensions", 1, _MAX_DIMENSIONS)
    return EmbeddingRequest(_model(body), tuple(_texts(body, "input")), dimensions, packing == "base64")


def _text_request(body: Mapping[str, Any], prompt: str, prompt_tokens: int) -> TextRequest:
    if body.get("n") not in (None, 1):
        raise RequestError("n: this server gives one answer to a request", param="n")
    limits = [_whole(body, name, 1, _MAX_TOKENS) for name in ("max_completion_tokens", "max_tokens")]
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise RequestError("stream_options: give an object", param="stream_options")
    return TextRequest(
        model=_model(body),
        prompt=prompt,
        prompt_tokens=prompt_tokens,
        max_tokens=limits[0] if limits[0] is not None else limits[1],
        exact=_flag(body, "ignore_eos"),
        stop=_stops(body),
        seed=_whole(body, "seed", -(2**63), 2**63 - 1),
        stream=_flag(body, "stream"),
        usage=_flag(options, "include_usage"),
    )


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str):
        raise RequestError("model: write the name of a model", param="model")
    return model


def _said(message: object, index: int) -> str:
    """The text of one message; parts that are not text have none."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RequestError(f"messages[{index}]: give an object with a role and a content", param="messages")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    if content is not None and not isinstance(content, str):
        raise RequestError(f"messages[{index}].content: give a text", param="messages")
    return content or ""


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    """A text, a list of texts, tokens, or a list of lists of tokens. A token stands for a word, its number."""
    given = body.get(name)
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(one, str) for one in given):
            return given
        if _are_tokens(given):
            return [" ".join(map(str, given))]
        if all(isinstance(one, list) and one and _are_tokens(one) for one in given):
            return [" ".join(map(str, one)) for one in given]
    raise RequestError(f"{name}: give a text, or a list of texts", param=name)


def _are_tokens(given: Sequence[object]) -> bool:
    return all(is_count(one, 0) for one in given)


def _stops(body: Mapping[str, Any]) -> tuple[str, ...]:
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops):
        raise RequestError("stop: give a text, or a list of texts", param="stop")
    return tuple(stops)


def _whole(body: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value: int | None = body.get(name)
    if value is None:
        return None
    if not is_count(value, least) or value > most:
        raise RequestError(f"{name}: write a whole number from {least} to {most}", param=name)
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{name}: write true or false", param=name)
    return bool(value)
