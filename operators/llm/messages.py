"""Messages of a conversation with a model, as the OpenAI protocol writes them: plain dictionaries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

__all__ = ["Message", "ToolCall", "assistant", "last_question", "system", "text_of", "tool_result", "user"]


class Message(TypedDict, total=False):
    """One message.

    Attributes:
        role: ``"system"``, ``"user"``, ``"assistant"`` or ``"tool"``.
        content: its text; a list of parts when it holds more than text; `None` when it only calls tools.
        name: who speaks, where several do.
        tool_calls: what an assistant wants called, as the protocol writes it.
        tool_call_id: of a tool's message: which call it answers.
    """

    role: Required[str]
    content: Required[Any]
    name: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a function called.

    Attributes:
        id: what the answer refers to.
        name: the function.
        arguments: JSON text, as the model wrote it: it may be invalid.
    """

    id: str
    name: str
    arguments: str


def system(text: str) -> Message:
    """What the model is to keep to."""
    return {"role": "system", "content": text}


def user(text: str) -> Message:
    """What a person says."""
    return {"role": "user", "content": text}


def assistant(text: str | None, calls: Sequence[ToolCall] = ()) -> Message:
    """What the model has said, and the functions that it wants called."""
    message: Message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return message


def tool_result(call: ToolCall, text: str) -> Message:
    """What came of a call that the model wanted."""
    return {"role": "tool", "tool_call_id": call.id, "content": text}


def text_of(message: Message) -> str:
    """The text of a message; of one with parts, that of its text parts."""
    content = message["content"]
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if part.get("type") == "text")


def last_question(messages: Iterable[Message]) -> str:
    """The text of the last message of a user; empty if there is none."""
    return next((text_of(message) for message in reversed(list(messages)) if message["role"] == "user"), "")
