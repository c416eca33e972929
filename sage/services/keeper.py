"""Keeps one replica of a service running: starts it, notices when it dies, starts it again, stops it."""

import asyncio
import logging

import anyio

from sage.operators.numbers import seconds
from sage.services.replica import Replica
from sage.services.running import RunningService

__all__ = ["Keeper"]

_logger = logging.getLogger("sage.services")


class Keeper:
    """Owns the life of a replica, in a task of its own.

    Args:
        service: the service that it belongs to.
        replica: the replica.

    Attributes:
        started: done when the first start has succeeded, or failed with what was raised.
    """

    def __init__(self, service: RunningService, replica: Replica) -> None:
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._service = service
        self._replica = replica
        self._task: asyncio.Task[None] | None = None
        self._wanted = True
        # Whether the replica is being stopped: that is not to be interrupted.
        self._stopping = False

    def begin(self) -> None:
        """Start the replica, in a task."""
        self._task = asyncio.create_task(self.run(), name=f"service {self._name}[{self.index}]")

    async def end(self) -> None:
        """Stop the replica, and wait until it has stopped.

        Cancel safety: it goes on stopping.

        Raises:
            Exception: what the service raised when it was stopped.
        """
        assert self._task is not None, "a keeper that has not begun"
        self._wanted = False
        if not self._stopping:
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def run(self) -> None:
        """Start the replica and keep it running, until that is given up.

        Cancel safety: when cancelled, the replica is stopped.

        Raises:
            Exception: what the service raised when it was stopped.
        """
        restart = self._service.definition.restart
        attempt = 0
        while True:
            reason, ran = await self._live()
            if not self._wanted or restart is None or self.started.exception() is not None:
                return
            attempt = 1 if ran >= seconds(restart.settled) else attempt + 1
            if attempt > restart.attempts:
                self._service.went(self._replica, f"{reason}; it was restarted {restart.attempts} times", final=True)
                _logger.error("service %r: gave up replica %d: %s", self._name, self._replica.index, reason)
                return
            await asyncio.sleep(restart.pause(attempt))
            self._service.statistics.restarts += 1

    @property
    def index(self) -> int:
        """Which replica it is."""
        return self._replica.index

    @property
    def _name(self) -> str:
        return self._service.definition.name

    async def _live(self) -> tuple[str, float]:
        """One life of the replica; returns why it ended, and how many seconds it ran."""
        loop = asyncio.get_running_loop()
        came = None
        reason = "it was stopped"
        try:
            try:
                await self._replica.start()
            except BaseException as error:
                if _is_ours(error):
                    raise
                reason = f"it could not start: {type(error).__name__}: {error}"
                if not self.started.done():
                    self.started.set_exception(error)
                else:
                    _logger.error("service %r: replica %d: %s", self._name, self._replica.index, reason)
            else:
                came = loop.time()
                self._service.came(self._replica)
                if not self.started.done():
                    self.started.set_result(None)
                reason = await self._replica.died()
                _logger.error("service %r: replica %d died: %s", self._name, self._replica.index, reason)
        finally:
            self._service.went(self._replica, reason, final=self._service.definition.restart is None)
            self._stopping = True
            with anyio.CancelScope(shield=True):
                await self._replica.stop()
            self._stopping = False
        return reason, 0.0 if came is None else loop.time() - came


def _is_ours(error: BaseException) -> bool:
    """Whether it is the end of this task or of the program, and nothing that a service has raised by itself."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit)
