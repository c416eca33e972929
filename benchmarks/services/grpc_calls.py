"""grpc.aio: a server in a process of its own, without generated code: numbers are packed by msgpack."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from msgpack import packb, unpackb

from benchmarks.services.subject import Called

__all__ = ["opened"]


@asynccontextmanager
async def opened() -> AsyncIterator[Called]:
    """Call over one channel."""
    grpc: Any = import_module("grpc.aio")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        async with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            coded = {"request_serializer": packb, "response_deserializer": unpackb}
            echo = channel.unary_unary("/bench/echo", **coded)
            yield Called(echo, echo, channel.unary_stream("/bench/items", **coded))
    finally:
        process.kill()
        await process.wait()


async def serve() -> None:
    """The other side: tell the port, and answer until whoever has started this process is gone.

    Cancel safety: calls that are under way are cancelled.
    """
    grpc: Any = import_module("grpc")

    async def echo(value: int, _: Any) -> int:
        return value

    async def items(count: int, _: Any) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    coded = {"request_deserializer": unpackb, "response_serializer": packb}
    methods = {
        "echo": grpc.unary_unary_rpc_method_handler(echo, **coded),
        "items": grpc.unary_stream_rpc_method_handler(items, **coded),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", methods),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
