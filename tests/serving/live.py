"""A real server on a free port of loopback, and raw connections to it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

__all__ = ["Raw", "post", "served"]


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """Have uvicorn serve an app for a block, in this event loop; gives the port.

    What `uvicorn.Server.serve` does, without looking ten times a second whether to end.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="on")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listening])
        assert not server.should_exit, "the app did not start"
        try:
            yield listening.getsockname()[1]
        finally:
            for listener in server.servers:
                listener.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
            await asyncio.gather(*server.server_state.tasks)
            await server.lifespan.shutdown()


class Raw:
    """A connection of which the test sees every byte.

    Args:
        port: of the server on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> "Raw":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away, at once."""
        self.writer.transport.abort()

    def post(self, path: str, body: Any, **headers: str) -> None:
        """Send a request; the names of headers with ``_`` for ``-``."""
        self.writer.write(post(path, body, **headers))

    async def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of the response."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value for name, _, value in pairs}

    async def chunk(self) -> bytes:
        """What the server wrote at once; nothing at the end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """The body to its end, which was sent in chunks."""
        parts: list[bytes] = []
        while part := await self.chunk():
            parts.append(part)
        return b"".join(parts)


def post(path: str, body: Any, **headers: str) -> bytes:
    """A request, as it goes over the wire."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"host": "test", "content-type": "application/json", "content-length": str(len(data))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + data
