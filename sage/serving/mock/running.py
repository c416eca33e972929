"""A synthetic server on a socket of this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sage.errors import GraphError
from sage.serving.block import served
from sage.serving.listening import is_loopback, listen
from sage.serving.mock.app import MockServer

__all__ = ["serving"]


@asynccontextmanager
async def serving(app: MockServer, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve for the length of a block, which gets the address, such as ``http://127.0.0.1:8000``.

    Args:
        app: what answers.
        host: the interface; beyond this machine the server needs an API key.
        port: 0 for any that is free.

    Cancel safety: the server stops with the block; answers under way have a second, then they are cut.

    Raises:
        GraphError: everybody on the network would be let in.
        NotAvailable: uvicorn is not installed.
        OSError: the port is taken, or there is no such interface.
    """
    if app.options.api_key is None and not is_loopback(host):
        raise GraphError(f"host={host!r} is reached from other machines: give an API key as well, or write '127.0.0.1'")
    # Answers that are cut on request would be logged as errors.
    async with served(app, listen(host, port), grace=1, log_level="critical") as address:
        yield address
