"""A network that can be cut: a TCP proxy."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]


class Proxy:
    """Stands between clients and the host at `port` of this machine.

    Args:
        port: where the host is; may be changed.
        cut_after: tells after how many bytes a new connection is cut; by default, none is.

    Attributes:
        port: where clients find the proxy.
        cuts: how many connections were cut.
    """

    def __init__(self, port: int, cut_after: Callable[[], int] | None = None) -> None:
        self.host_port = port
        self.port = 0
        self.cuts = 0
        self._cut_after = cut_after
        self._up = True
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self, *, down: bool = False) -> None:
        """Cut all connections, and refuse new ones while `down`."""
        self._up = not down
        for writer in self._open:
            writer.transport.abort()
        self.cuts += bool(self._open)
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.host_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        budget = [self._cut_after() if self._cut_after is not None else 1 << 60]
        for source, target in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self._pump(source, target, budget))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, budget: list[int]) -> None:
        try:
            while data := await source.read(1 << 16):
                target.write(data[: max(0, budget[0])])
                budget[0] -= len(data)
                if budget[0] <= 0:
                    self.cut()
                    return
                await target.drain()
        except ConnectionError:
            return
        finally:
            target.close()
