"""Models in this process that say what a test tells them to."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import sage
from sage.middleware import Reply
from sage.operators.llm import ToolCall

__all__ = ["Scripted", "calling"]


class Scripted(sage.Service):
    """A chat model that gives one reply of a list after the other."""

    def __init__(self, replies: Sequence[Reply | str], asked: list[dict[str, Any]]) -> None:
        self._replies = iter(replies)
        self._asked = asked

    async def chat(self, messages: list[Any], **options: Any) -> Reply:
        self._asked.append({"messages": messages, **options})
        reply = next(self._replies)
        return Reply(reply) if isinstance(reply, str) else reply

    async def tokens(self, messages: list[Any], **options: Any) -> AsyncIterator[str]:
        reply = await self.chat(messages, **options)
        for word in reply.text.split():
            yield word + " "


def calling(name: str, arguments: str = "{}", id: str = "1") -> Reply:
    """A reply that wants one tool called."""
    return Reply("", (ToolCall(id, name, arguments),), "tool_calls")
