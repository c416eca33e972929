"""Replicas in processes of their own, one ZeroMQ round trip away."""

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle

import sage.services
from sage.errors import ServiceError, ServiceUnavailable
from sage.services.definition import ServiceDefinition
from sage.services.elsewhere import ElsewhereReplica
from sage.services.home import Home
from sage.transports.codec import Codec
from sage.transports.rpc import RpcClient

__all__ = ["ProcessReplica"]

# Seconds that a process has to stop before it is killed.
_PATIENCE = 10.0
# Bytes of a line that the process tells: it may hold an error with all that belongs to it.
_LONGEST = 1 << 30


class ProcessReplica(ElsewhereReplica):
    """An instance in a process of its own on this machine; see `worker` for the other side.

    Args:
        definition: how to make it.
        index: which of the replicas, from 0.
        home: where it calls the program's other services.
    """

    def __init__(self, definition: ServiceDefinition, index: int, home: Home) -> None:
        super().__init__(definition, index, home)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """See `Replica.start`.

        Cancel safety: `stop` is called.
        """
        invitation = await self._home.invite()
        definition = self._packed(invitation)
        ours, theirs = socket.socketpair()
        try:
            handle = theirs.fileno()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sage.services.worker", str(handle), pass_fds=[handle], env=_environment()
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=_LONGEST)
        self._writer.write(json.dumps(sys.path).encode() + b"\n" + len(definition).to_bytes(8, "big") + definition)
        told = await self._told()
        if "error" in told:
            raise _opened(told["error"])
        if "address" not in told:
            raise ServiceUnavailable(f"its process ended before it had started ({await self._exit()})")
        # Only processes of this user can reach it, so values may be pickled.
        await self._met(RpcClient(told["address"], codec=Codec(pickle=True)), told["methods"], invitation)

    async def stop(self) -> None:
        """See `Replica.stop`.

        Cancel safety: it is shielded.

        Raises:
            Exception: what the instance raised when it was stopped.
        """
        await self._parted()
        if self._process is None:
            return
        failed = await self._stopped() if self._writer is not None else None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if failed:
            raise _opened(failed)

    async def died(self) -> str:
        """See `Replica.died`.

        Cancel safety: nothing is lost.
        """
        assert self._process is not None, "a replica that was never started"
        await self._process.wait()
        return await self._exit()

    async def _told(self) -> dict[str, Any]:
        """What the worker tells next; empty when it is gone."""
        assert self._reader is not None
        line = await self._reader.readline()
        told: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        return told

    async def _stopped(self) -> str | None:
        """Ask the worker to stop, and wait until it has; return what failed there."""
        assert self._writer is not None
        assert self._process is not None
        failed = None
        with suppress(ConnectionError, TimeoutError):  # it is killed then
            self._writer.write_eof()
            async with asyncio.timeout(_PATIENCE):
                failed = (await self._told()).get("stopped")
                await self._process.wait()
        self._writer.close()
        with suppress(ConnectionError):  # as above: the worker went first
            await self._writer.wait_closed()
        return failed

    async def _exit(self) -> str:
        """How the process ended, in words."""
        assert self._process is not None
        code = await self._process.wait()
        if code < 0:
            return f"process {self._process.pid} was killed by {signal.Signals(-code).name}"
        return f"process {self._process.pid} ended with code {code}"


def _opened(pickled: str) -> BaseException:
    """An error of the worker."""
    try:
        error: BaseException = cloudpickle.loads(bytes.fromhex(pickled))
    except Exception as failed:
        return ServiceError(f"it raised an error that cannot be made again here: {type(failed).__name__}: {failed}")
    return error


def _environment() -> dict[str, str]:
    """Ours, with which the worker finds this very package before it is told the search path."""
    root = str(Path(sage.services.__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, inherited]))}
