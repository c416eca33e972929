"""Tasks that wait for items of one receiving end, in line: an end itself lets one task wait, a queue any number."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from sage.transports.channel import ReceiveChannel
from sage.transports.errors import WouldBlock

__all__ = ["Getters"]

T = TypeVar("T")


class Getters(Generic[T]):
    """Lets any number of tasks take from one receiving end; first come, first served.

    Args:
        receiver: the end; nobody else may listen to it or take from it.
    """

    def __init__(self, receiver: ReceiveChannel[T]) -> None:
        self._receiver = receiver
        self._line: deque[asyncio.Future[None]] = deque()
        receiver.listen(self._wake_first)

    def get_nowait(self) -> T:
        """Take the oldest item.

        Raises:
            WouldBlock: nothing is there now, or others wait for it already.
            EndOfChannel, ClosedChannel, BrokenChannel: as in `ReceiveChannel.drain`.
        """
        if self._line:
            raise WouldBlock("others wait already", channel=self._receiver.name, address=self._receiver.address)
        return self._receiver.receive_nowait()

    async def get(self) -> T:
        """Take the oldest item, waiting while there is none.

        Cancel safety: when cancelled, nothing was taken, and whoever waits behind is not held up.

        Raises:
            EndOfChannel, ClosedChannel, BrokenChannel: as in `ReceiveChannel.drain`, also while waiting.
        """
        if not self._line:
            try:
                return self._receiver.receive_nowait()
            except WouldBlock:
                pass
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        while True:
            try:
                await turn
            except BaseException:
                self._line.remove(turn)
                if turn.done() and not turn.cancelled():  # woken for an item, which the next one takes then
                    self._wake_first()
                raise
            try:
                item = self._receiver.receive_nowait()
            except WouldBlock:  # it was gone already: stay in line, at the same place
                again: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._line[self._line.index(turn)] = again
                turn = again
            except BaseException:
                self._leave(turn)
                raise
            else:
                self._leave(turn)
                return item

    def wake_all(self) -> None:
        """Have everyone look again: the end was closed."""
        for turn in self._line:
            if not turn.done():
                turn.set_result(None)

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        self._line.remove(turn)
        self._wake_first()  # there may be more; whoever finds nothing goes on waiting

    def _wake_first(self) -> None:
        if self._line and not self._line[0].done():
            self._line[0].set_result(None)
