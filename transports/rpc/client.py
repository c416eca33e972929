"""Calls methods of a server in another process."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from sage.transports.codec import Codec
from sage.transports.rpc.address import checked_endpoint
from sage.transports.rpc.connection import Connection
from sage.transports.rpc.errors import ClosedRpc, DeadlineExceeded, RpcError
from sage.transports.rpc.replies import PendingCall
from sage.transports.rpc.stream import RpcStream
from sage.transports.zmq import CurveClient

__all__ = ["RpcClient"]


class RpcClient:
    """Calls the methods of one server. Any number of calls and streams may be under way at once.

    ::

        async with RpcClient("tcp://127.0.0.1:5999") as client:
            total = await client.call("add", 1, 2, timeout=0.5)
            async with client.stream("tokens", "a prompt", window=256) as tokens:
                async for token in tokens:
                    print(token)

    When the server goes away, all that is under way fails with `ConnectionLost`, at once, and is not sent again:
    whether it was done is not known. The next call connects again.

    Args:
        address: where the server is.
        curve: the keys, if the server wants some.
        codec: how arguments and answers are carried; the same as the server's.
        connection_timeout: for how many seconds a server may leave us without an answer before it is unreachable.
        heartbeat: after how many seconds of silence the server is asked for a sign. One that gives none for three
            times as long is gone.

    Raises:
        InvalidChannel: the address is none, or is on another machine and there are no keys.
    """

    def __init__(
        self,
        address: str,
        *,
        curve: CurveClient | None = None,
        codec: Codec | None = None,
        connection_timeout: float = 5.0,
        heartbeat: float = 1.0,
    ) -> None:
        self.address = str(checked_endpoint(address, curve))
        self._curve = curve
        self._codec = codec or Codec()
        self._connection_timeout = connection_timeout
        self._heartbeat = heartbeat
        self._connection: Connection | None = None
        # Once it is connected. To ask for the running loop takes a system call, in some versions of Python.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = True

    async def connect(self) -> None:
        """Connect to the server; `async with` does.

        Cancel safety: when cancelled, close the client with `aclose`.

        Raises:
            ServerUnreachable: nobody answered within `connection_timeout`.
            ServerRefused: the server wants other keys, or speaks another version.
        """
        self._loop = asyncio.get_running_loop()
        self._closed = False
        await self._connected("", None)

    async def call(
        self,
        method: str,
        /,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> Any:
        """Call a method and await its answer.

        Args:
            method: its name.
            args: its positional arguments.
            kwargs: its keyword arguments.
            timeout: for how many seconds the answer is of use.
            deadline: when it is of no more use, a time of the loop's clock; the earlier of both counts.

        Cancel safety: when cancelled, the method is cancelled, too. Whether it was done is not known.

        Raises:
            DeadlineExceeded: no answer came in time; the method is cancelled.
            ConnectionLost: the server went away meanwhile.
            ServerUnreachable: nobody answered at the address; the call was not sent.
            UnknownMethod, WrongCall, Overloaded: the server refused it.
            CodecError: the arguments or the answer cannot be carried.
            ClosedRpc: this client is closed.
            Exception: what the method raised, as its own type or as a `RemoteError`.
        """
        if timeout is not None:
            deadline = self._sooner(timeout, deadline)
        connection = self._connection
        if connection is None or not connection.ready:
            connection = await self._connected(method, deadline)
        reply = PendingCall(method, connection.loop.create_future())
        connection.begin(reply, args, kwargs, deadline)
        try:
            return await reply.future
        except asyncio.CancelledError:
            connection.withdraw(reply)
            reply.forget()
            raise

    def stream(
        self,
        method: str,
        /,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        window: int = 256,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> RpcStream:
        """Call a method that streams its answer; see `RpcStream`, and `call` for the arguments.

        `timeout` counts from here, and covers the last item.

        Raises:
            ValueError: a window that cannot be.
        """
        if timeout is not None:
            deadline = self._sooner(timeout, deadline)
        return RpcStream(self._connected, method, args, kwargs, deadline, window)

    async def aclose(self) -> None:
        """Close the client; what is under way fails with `ClosedRpc`. Closing twice is harmless.

        Cancel safety: it does not wait.
        """
        self._closed = True
        if self._connection is not None:
            self._connection.close()

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _sooner(self, timeout: float, deadline: float | None) -> float:
        until = (self._loop or asyncio.get_running_loop()).time() + timeout
        return until if deadline is None else min(until, deadline)

    async def _connected(self, method: str, deadline: float | None) -> Connection:
        """A connection that is ready; all who want one meanwhile wait for the same."""
        if self._closed:
            told = "this client is closed: use it inside `async with`"
            raise _not_sent(ClosedRpc(told, method=method, address=self.address))
        connection = self._connection
        if connection is None or connection.failure is not None:
            connection = self._connection = Connection(
                self.address, self._codec, self._curve, self._connection_timeout, self._heartbeat
            )
        try:
            async with asyncio.timeout_at(deadline):
                await connection.settled.wait()
        except TimeoutError:
            raise DeadlineExceeded("the server has not answered yet", method=method, address=self.address) from None
        if connection.failure is not None:
            raise _not_sent(connection.failure(method=method))
        return connection


def _not_sent(error: RpcError) -> RpcError:
    error.begun = False
    return error
