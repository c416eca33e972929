"""The reader's side of an answer that streams."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from sage.transports.rpc.connection import Connection
from sage.transports.rpc.errors import ClosedRpc, MalformedMessage
from sage.transports.rpc.replies import Reply
from sage.transports.rpc.wire import MOST_WINDOW

__all__ = ["RpcStream"]

# So often within a window the server is told how much was read.
_GRANTS: Final = 4


class RpcStream(Reply):
    """The items of one streaming call: an async context manager, and inside it an async iterator.

    At most `window` items wait here unread; then the method that makes them waits. Leaving the block early cancels the
    call: the method's generator is closed.

    Args:
        connect: gives a connection that is ready.
        method: what is called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        deadline: when the last item is of no more use, a time of the loop's clock.
        window: at least 1, at most 65,536.

    Raises:
        ValueError: a window that cannot be.
    """

    __slots__ = (
        "_args",
        "_connect",
        "_connection",
        "_deadline",
        "_error",
        "_items",
        "_kwargs",
        "_over",
        "_quarter",
        "_taken",
        "_unread",
        "_waiting",
        "_window",
    )

    def __init__(
        self,
        connect: Callable[[str, float | None], Awaitable[Connection]],
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        deadline: float | None,
        window: int,
    ) -> None:
        if not 1 <= window <= MOST_WINDOW:
            raise ValueError(f"window: from 1 to {MOST_WINDOW} items may wait unread, not {window}")
        super().__init__(method)
        self._connect = connect
        self._args = args
        self._kwargs = kwargs
        self._deadline = deadline
        self._window = window
        self._quarter = max(1, window // _GRANTS)
        self._connection: Connection | None = None
        self._items: deque[Any] = deque()
        # Taken by the reader, and not told to the server yet.
        self._taken = 0
        self._over = False
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin the call.

        Cancel safety: when cancelled, nothing was sent.

        Raises:
            ServerUnreachable: nobody answered in time.
            DeadlineExceeded: the deadline passed before that.
            CodecError: the arguments cannot be carried.
        """
        if self._connection is not None:
            raise ClosedRpc("a stream is entered once", method=self.method)
        self._connection = await self._connect(self.method, self._deadline)
        self._connection.begin(self, self._args, self._kwargs, self._deadline, self._window)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._connection is not None
        self._connection.withdraw(self)
        self._items.clear()
        if not self._over:
            self.fail(ClosedRpc("this stream was left", method=self.method))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next item.

        Cancel safety: no item is lost.

        Raises:
            StopAsyncIteration: the method has yielded its last item.
            DeadlineExceeded, ConnectionLost: the rest of the items does not come.
            Exception: what the method raised, behind the items it yielded before.
        """
        while not self._items:
            if self._over:
                raise self._error or StopAsyncIteration
            await self._wait()
        self._taken += 1
        if self._taken >= self._quarter:
            self._tell()
        return self._items.popleft()

    # -- what the connection tells -----------------------------------------------------------------------------------

    def items(self, values: list[Any]) -> None:
        """See `Reply.items`."""
        if len(self._items) + len(values) > self._window:
            raise MalformedMessage(f"the stream {self.method!r} got more items than it allowed")
        self._items += values
        self._wake()

    def end(self) -> None:
        """See `Reply.end`."""
        self._over = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """See `Reply.fail`."""
        self._error = error
        self.end()

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _wait(self) -> None:
        if self._connection is None:
            raise ClosedRpc("enter the stream first: async with client.stream(...) as items", method=self.method)
        if self._waiting is not None:
            raise RuntimeError(f"{self.method!r}: two tasks read one stream; give each its own")
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _tell(self) -> None:
        if not self._over and self._connection is not None:
            self._connection.grant(self, self._taken)
        self._taken = 0
