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
        peer: its caller.
        id: the caller's number of it.
        args: positional arguments.
        kwargs: keyword arguments.
        work: what the handler returned; `None` while the call waits for its turn, and for what is done at once.
        task: what runs the work, once it has begun.
        placed: whether it holds a place of the server's `max_concurrency`.
        stopped: whether its work is cancelled; then `stop` is what its caller is told, if anything.
        credit: how many items the caller still allows.
    """

    __slots__ = (
        "_items",
        "_room",
        "args",
        "credit",
        "id",
        "kwargs",
        "peer",
        "placed",
        "stop",
        "stopped",
        "task",
        "work",
    )

    def __init__(
        self,
        peer: Peer,
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
        self.peer = peer
        self.work: Any = None
        self.task: asyncio.Task[Any] | None = None
        self.placed = False
        self.stopped = False
        self.stop: RpcError | None = None
        self.credit = window
        self._items: list[Any] = []
        self._room: asyncio.Future[None] | None = None
        peer.calls[id] = self

    def answer(self, value: Any) -> None:
        """Tell the one answer.

        Raises:
            CodecError: it cannot be carried.
        """
        if self.stopped:
            self._tell_stop()
        else:
            peer = self.peer
            peer.outbox.add_value(ANSWER, self.id, value, alone=len(peer.calls) == 1)

    def fail(self, error: BaseException, number: int) -> None:
        """Tell an error; `number` is its kind, as `wire` numbers them."""
        if self.stopped:
            self._tell_stop()
        else:
            self._pour()
            self.peer.outbox.add_value(ERROR, self.id, write_failure(error, self.peer.codec), number)

    def end(self) -> None:
        """Tell the end of the stream, behind its items."""
        if self.stopped:
            self._tell_stop()
        else:
            self._pour()
            self.peer.outbox.add(END, self.id)

    def put(self, item: Any) -> None:
        """Add an item to the stream.

        Raises:
            CodecError: it cannot be carried.
        """
        self.credit -= 1
        if is_plain(item):
            if not self._items:
                self.peer.outbox.pour_later(self._pour)
            self._items.append(item)
        else:
            self._pour()
            self.peer.outbox.add_value(ITEMS, self.id, item)

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
                self.peer.outbox.add_items(self.id, items)

    def _tell_stop(self) -> None:
        self._items.clear()
        if self.stop is not None:
            stop, self.stop = self.stop, None
            self.peer.outbox.add_value(ERROR, self.id, write_failure(stop, self.peer.codec), kind_of_refusal(stop))
