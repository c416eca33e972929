"""What a caller waits for."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from sage.transports.rpc.errors import MalformedMessage

__all__ = ["PendingCall", "Reply"]


class Reply(ABC):
    """An open call, as its connection tells of it.

    Attributes:
        method: what was called.
        id: its number in the connection.
    """

    __slots__ = ("id", "method")

    def __init__(self, method: str) -> None:
        self.method = method
        self.id = 0

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """The call is over, without its answer, or without the rest of its items."""

    def answer(self, value: Any) -> None:
        """The one answer came; the call is over."""
        raise MalformedMessage(f"a stream ({self.method!r}) got one answer")

    def items(self, values: list[Any]) -> None:
        """Items of a stream came."""
        raise MalformedMessage(f"a call ({self.method!r}) got items of a stream")

    def end(self) -> None:
        """The stream is at its end; the call is over."""
        raise MalformedMessage(f"a call ({self.method!r}) got the end of a stream")


class PendingCall(Reply):
    """A call whose one answer is awaited."""

    __slots__ = ("future",)

    def __init__(self, method: str, future: asyncio.Future[Any]) -> None:
        self.method = method
        self.id = 0
        self.future = future

    def answer(self, value: Any) -> None:
        """See `Reply.answer`."""
        if not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """See `Reply.fail`."""
        if not self.future.done():
            self.future.set_exception(error)

    def forget(self) -> None:
        """Nobody awaits it any more: an error that came at the same moment is no news to anyone."""
        if self.future.done() and not self.future.cancelled():
            self.future.exception()
