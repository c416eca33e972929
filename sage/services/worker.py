"""The process of one replica: ``python -m sage.services.worker FD``, started by `process.ProcessReplica`.

The file descriptor is a socket to the process that started it. What passes there::

    program → worker   the search path as JSON, a line; then the definition, pickled, behind its length in 8 bytes
    worker → program   a line of JSON when it has started: {"address": ..., "methods": {...}}, or {"error": ...}
    program → worker   the end of the stream: stop
    worker → program   a line of JSON when it has stopped: {"stopped": null} or the error

Errors are pickled, in hexadecimal.

When the program dies, the stream ends too, so no worker outlives it.
"""

import asyncio
import json
import os
import socket
import sys
from contextlib import suppress
from typing import Any

import anyio
import cloudpickle

from sage.errors import ServiceError
from sage.loops import fast_loop
from sage.services.away import AwayServices, Invitation
from sage.services.context import ServiceContext
from sage.services.definition import ServiceDefinition
from sage.services.finding import current_services
from sage.services.handler import ReplicaHandler
from sage.services.inproc import InprocReplica
from sage.services.remaking import pickled
from sage.transports.codec import Codec
from sage.transports.rpc import RpcServer

__all__ = ["main"]


async def work(connection: socket.socket) -> None:
    """Run one replica until the program wants no more of it.

    Cancel safety: the replica is stopped.
    """
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        definition, index, invitation = await _receive(reader)
        services = AwayServices(invitation)
        current_services.set(services)
        replica = InprocReplica(definition, ServiceContext(definition.name, index, definition.replicas, services))
        unwanted = asyncio.create_task(reader.read(), name="until the program wants no more of it")
        stopped: str | None = None
        try:
            try:
                with anyio.CancelScope() as starting:
                    unwanted.add_done_callback(lambda _: starting.cancel())
                    await replica.start()
            except (Exception, asyncio.CancelledError) as error:
                _tell(writer, error=_sent(error))
            else:
                if not starting.cancelled_caught:
                    await _serve(replica, services, writer, unwanted)
        finally:
            try:
                await replica.stop()
            except Exception as error:
                stopped = _sent(error)
            await services.aclose()
        _tell(writer, stopped=stopped)
        with suppress(ConnectionError):  # the program is gone: nobody is left to tell
            await writer.drain()
    finally:
        writer.close()
        with suppress(ConnectionError):  # as above
            await writer.wait_closed()


async def _serve(
    replica: InprocReplica, services: AwayServices, writer: asyncio.StreamWriter, unwanted: asyncio.Future[bytes]
) -> None:
    # Only processes of this user can reach it, so values may be pickled.
    server = RpcServer(ReplicaHandler(replica, services), _address(), codec=Codec(pickle=True))
    async with server:
        methods = {name: kind.name for name, kind in replica.methods.items()}
        _tell(writer, address=server.address, methods=methods)
        await unwanted


async def _receive(reader: asyncio.StreamReader) -> tuple[ServiceDefinition, int, Invitation]:
    sys.path[:] = json.loads(await reader.readline())
    length = int.from_bytes(await reader.readexactly(8), "big")
    definition, index, invitation = cloudpickle.loads(await reader.readexactly(length))
    return definition, index, invitation


def _tell(writer: asyncio.StreamWriter, **told: Any) -> None:
    writer.write(json.dumps(told).encode() + b"\n")


def _sent(error: BaseException) -> str:
    """An error as the program reads it, or what it says if it cannot be carried."""
    try:
        return pickled(error).hex()
    except Exception:  # it holds something that belongs to this process
        return pickled(ServiceError(f"{type(error).__name__}: {error}")).hex()


def _address() -> str:
    return f"ipc://@sage-service-{os.urandom(8).hex()}" if sys.platform == "linux" else "tcp://127.0.0.1:0"


def main() -> None:
    """Run the worker whose socket is named by the first argument."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=fast_loop()) as runner, suppress(KeyboardInterrupt):
        runner.run(work(connection))


if __name__ == "__main__":
    main()
