"""What an endpoint that is served gets as the value of its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ChatRequest", "CompletionRequest"]


@dataclass(frozen=True, kw_only=True)
class _Sampled:
    """What both kinds of request have.

    Attributes:
        id: the request's id, as in the header ``x-request-id`` and in log lines.
        model: which model was asked for.
        max_tokens: how many tokens the answer may have; `None` if the client did not say. What is longer is cut.
        temperature, top_p, seed, presence_penalty, frequency_penalty: as the client said.
        stop: texts that end the answer. They are looked for behind the program, too.
        n: how many answers the client wants. The program is asked once for each, with seeds that differ.
        logprobs, top_logprobs: what the client wants to know of the probabilities.
        user: whom the client acts for, in its own words.
        key: the tenant, as the server's `auth` found it.
        stream: whether the client reads piece by piece.
        extra: the parameters that have no name here.
    """

    id: str = ""
    model: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: Sequence[str] = ()
    n: int = 1
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    user: str | None = None
    key: Any = None
    stream: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ChatRequest(_Sampled):
    """A request for the next message of a conversation.

    Attributes:
        messages: what was said so far, as the client wrote it: ``{"role": "user", "content": "hello"}``.
        tools, tool_choice: the tools that may be called, as in the OpenAI protocol.
        response_format: ``{"type": "json_object"}``, say.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class CompletionRequest(_Sampled):
    """A request for how a text goes on.

    Attributes:
        prompt: the text.
        suffix: what comes behind what is asked for.
        echo: whether the client wants the prompt repeated.
    """

    prompt: str
    suffix: str | None = None
    echo: bool | None = None
