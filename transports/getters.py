"""Tasks that wait for items of one receiving end, in line: an end itself lets one task wait, a queue any number."""

import asyncio
from collections import deque
from collections.abc import Sized
from typing import Generic, NoReturn, TypeVar

from sage.transports.channel import ReceiveChannel
from sage.transports.errors import BrokenChannel, ChannelError, ClosedChannel, WouldBlock
from sage.transports.turns import look_again_in_children

__all__ = ["Getters"]

T = TypeVar("T")


class _Turn:
    """A task's place in line, which it keeps until it has an item or gives up."""

    __slots__ = ("future", "owner", "refused")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.refused = False
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Let the task look."""
        if not self.future.done():
            self.future.set_result(None)


class Getters(Generic[T]):
    """Lets any number of tasks take from one receiving end; first come, first served.

    Invariant: when something is there and somebody stands in line, the first in line is awake.

    Args:
        receiver: the end; nobody else may listen to it or take from it.

    Attributes:
        ready: while it is not empty, `take` gives the oldest item: nobody waits, and nothing else is to be told. It is
            empty again when the loop gets control.
        take: takes it.
    """

    def __init__(self, receiver: ReceiveChannel[T]) -> None:
        self._receiver = receiver
        self._supply = receiver.supply
        self.ready: Sized = ()
        self.take = receiver.receive_nowait if self._supply is None else self._supply.take
        self._loop = asyncio.get_running_loop()
        self._line: deque[_Turn] = deque()
        # What happened behind items that were taken together: the next one who takes is told.
        self._untold: BrokenChannel | None = None
        look_again_in_children(self)
        receiver.listen(self._wake_first)

    def get_nowait(self) -> T:
        """Take the oldest item.

        Raises:
            WouldBlock: nothing is there now, or others wait for it already.
            EndOfChannel, ClosedChannel, BrokenChannel: as in `ReceiveChannel.drain`.
        """
        if self._line:
            raise self._error(WouldBlock, "others wait already")
        if self._untold is not None:
            self._tell()
        item = self._receiver.receive_nowait()
        supply = self._supply
        if supply is not None and supply.items:  # whoever takes one is likely to take the others, too
            self.ready = supply.items
            self._loop.call_soon(self.look_again)
        return item

    def look_again(self) -> None:
        """Nothing is `ready` any more."""
        self.ready = ()

    def get_rest(self, most: int) -> list[T]:
        """Take up to `most` items more that are there, for who has one; none if others wait for them already.

        What happened behind them is told to the next one who takes.
        """
        items = [] if self._line or self._untold is not None else self._receiver.receive_some_nowait(most)
        try:
            while len(items) < most:
                items.append(self.get_nowait())
        except BrokenChannel as error:
            self._untold = error
            self.look_again()
        except ChannelError:
            pass  # nothing more is there, or will come, which is told again
        return items

    async def get(self, owner: object) -> T:
        """Take the oldest item for `owner`, waiting while there is none.

        Cancel safety: when cancelled, nothing was taken, and whoever waits behind is not held up.

        Raises:
            EndOfChannel, ClosedChannel, BrokenChannel: as in `ReceiveChannel.drain`, also while waiting.
            ClosedChannel: the owner was refused while it waited.
        """
        if not self._line:
            try:
                return self.get_nowait()
            except WouldBlock:
                pass
        turn = _Turn(owner)
        self._line.append(turn)
        self.look_again()
        try:
            while True:
                await turn.future
                if turn.refused:
                    raise self._error(ClosedChannel, "it was closed while it waited")
                if self._untold is not None:
                    self._tell()
                try:
                    return self._receiver.receive_nowait()
                except WouldBlock:  # it was gone already
                    turn.future = asyncio.get_running_loop().create_future()
        finally:
            self._line.remove(turn)
            self._wake_first()  # there may be more, or this one was woken and gave up

    def refuse(self, owner: object) -> None:
        """Have those who wait for `owner` give up: it was closed."""
        for turn in self._line:
            if turn.owner is owner:
                turn.refused = True
                turn.wake()

    def wake_all(self) -> None:
        """Have everyone look again: the end was closed."""
        for turn in self._line:
            turn.wake()

    def _wake_first(self) -> None:
        if self._line:
            self._line[0].wake()

    def _tell(self) -> NoReturn:
        error, self._untold = self._untold, None
        assert error is not None, "there is something to tell"
        raise error

    def _error(self, kind: type[WouldBlock] | type[ClosedChannel], message: str) -> Exception:
        return kind(message, channel=self._receiver.name, address=self._receiver.address)
