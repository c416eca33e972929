"""One call at the server: what was asked, by whom, who does it, and how its answer goes back."""

import asyncio
from typing import Any

from sage.transports.codec import Codec
from sage.transports.rpc.errors import MalformedMessage, RpcError
from sage.transports.rpc.failures import kind_of_refusal, write_failure
from sage.transports.rpc.handler import RpcCall
from sage.transports.rpc.outbox import Outbox, is_plain
from sage.transports.rpc.wire import ANSWER, END, ERROR, ITEMS

__all__ = ["Peer", "ServedCall"]


class Peer:
    """One client, as its server knows it.

    Attributes:
        name: what logs call it.
        codec: how its values are carried.
        outbox: the way back to it.
        calls: its open calls.
    """

    __slots__ = ("calls", "codec", "name", "outbox")

    def __init__(self, name: str, codec: Codec, outbox: Outbox) -> None:
        self.name = name
        self.codec = codec
        self.outbox = outbox
        self.calls: dict[int, ServedCall] = {}


class ServedCall(RpcCall):
    """One call, its work, and the way back to its caller.

    Attributes:
        id: the caller's number of it.
        args: positional arguments.
        kwargs: keyword arguments.
        work: what the handler returned.
        task: what runs the work; `None` while it waits for its turn, and for work that is done at once.
        began: whether the task has run its first step.
        placed: whether it holds a place of the server's `max_concurrency`.
        stopped: whether its work is cancelled; then `stop` is what its caller is told, if anything.
        credit: how many items the caller still allows.
    """

    __slots__ = (
        "_codec",
        "_items",
        "_outbox",
        "_peer",
        "_room",
        "args",
        "began",
        "credit",
        "id",
        "kwargs",
        "placed",
        "stop",
        "stopped",
        "task",
        "work",
    )

    def __init__(
        self,
        peer: "Peer",
        id: int,
        method: str,
        args: list[Any],
        kwargs: dict[str, Any],
        deadline: float | None,
        window: int,
    ) -> None:
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.deadline = deadline
        self.window = window
        self.caller = peer.name
        self.id = id
        self._peer = peer
        self._outbox = peer.outbox
        self._codec = peer.codec
        self.work: Any = None
        self.task: asyncio.Task[None] | None = None
        self.began = False
        self.placed = False
        self.stopped = False
        self.stop: RpcError | None = None
        self.credit = window
        self._items: list[Any] = []
        self._room: asyncio.Future[None] | None = None
        peer.calls[id] = self

    def over(self) -> None:
        """It is not open any more; what its caller still says about it is ignored."""
        del self._peer.calls[self.id]

    def answer(self, value: Any) -> None:
        """Tell the one answer.

        Raises:
            CodecError: it cannot be carried.
        """
        if self.stopped:
            self._tell_stop()
        else:
            add = self._outbox.add_plain if is_plain(value) else self._outbox.add_value
            add(ANSWER, self.id, value)

    def fail(self, error: BaseException, number: int) -> None:
        """Tell an error; `number` is its kind, as `wire` numbers them."""
        if self.stopped:
            self._tell_stop()
        else:
            self._pour()
            self._outbox.add_value(ERROR, self.id, write_failure(error, self._codec), number)

    def end(self) -> None:
        """Tell the end of the stream, behind its items."""
        if self.stopped:
            self._tell_stop()
        else:
            self._pour()
            self._outbox.add(END, self.id)

    def put(self, item: Any) -> None:
        """Add an item to the stream.

        Raises:
            CodecError: it cannot be carried.
        """
        self.credit -= 1
        if is_plain(item):
            if not self._items:
                self._outbox.pour_later(self._pour)
            self._items.append(item)
        else:
            self._pour()
            self._outbox.add_value(ITEMS, self.id, item)

    def grant(self, items: int) -> None:
        """The caller has taken items: as many more may be sent.

        Raises:
            MalformedMessage: it has not been sent so many.
        """
        if self.credit + items > self.window:
            raise MalformedMessage(f"call {self.id}: more items are granted than were sent")
        self.credit += items
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def room(self) -> None:
        """Wait until there is credit.

        Cancel safety: nothing is used up.
        """
        while self.credit <= 0:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None

    def _pour(self) -> None:
        if self._items:
            items, self._items = self._items, []
            if not self.stopped:
                self._outbox.add_items(self.id, items)

    def _tell_stop(self) -> None:
        self._items.clear()
        if self.stop is not None:
            stop, self.stop = self.stop, None
            self._outbox.add_value(ERROR, self.id, write_failure(stop, self._codec), kind_of_refusal(stop))
