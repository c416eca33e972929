"""The services of a program while they run: started in order, stopped in the reverse of it."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from sage.errors import ServiceError, ServiceUnavailable
from sage.services.context import ServiceContext
from sage.services.definition import ServiceDefinition
from sage.services.directory import ServiceDirectory
from sage.services.finding import current_services
from sage.services.inproc import InprocReplica
from sage.services.keeper import Keeper
from sage.services.replica import Replica
from sage.services.running import RunningService

if TYPE_CHECKING:
    from sage.services.home import Home

__all__ = ["Services"]

# Seconds that a replica has to tell how it is.
_PATIENCE = 5.0


class Services(ServiceDirectory):
    """The services of one program; use it as an async context manager.

    ::

        async with env.services() as services:
            await services["echo"].say("hello")

    Args:
        definitions: what was registered, in that order.

    Raises:
        NotAvailable: a service is to run in a place that is not installed.
    """

    def __init__(self, definitions: Iterable[ServiceDefinition]) -> None:
        super().__init__()
        # What keeps replicas running, by service, in the order of their start.
        self._keepers: list[tuple[str, list[Keeper]]] = []
        self._token: Token[ServiceDirectory] | None = None
        # Where replicas in other processes call the others; none, if there are no such replicas.
        self._home: Home | None = None
        for definition in definitions:
            replicas = [self._replica(definition, index) for index in range(definition.replicas)]
            self.enter(RunningService(definition, replicas))

    async def __aenter__(self) -> Self:
        if self._token is not None:
            raise ServiceError("these services run already; env.services() makes others")
        self._token = current_services.set(self)
        try:
            for running in self._running.values():
                await self._start(running)
        except BaseException as error:
            _note(error, await self._leave())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failures = await self._leave()
        if error is not None:
            _note(error, failures)
        elif failures:
            raise ServiceError("; ".join(failures.keys())) from next(iter(failures.values()))

    # -- how they are ------------------------------------------------------------------------------------------------

    async def health(self) -> dict[str, dict[str, Any]]:
        """How each service is: ``"ok"``, and what each of its ``"replicas"`` tells.

        Cancel safety: nothing is changed.
        """
        return {name: await self._health(running) for name, running in self._running.items()}

    # -- life --------------------------------------------------------------------------------------------------------

    async def _start(self, running: RunningService) -> None:
        name = running.definition.name
        running.start()
        keepers = [Keeper(running, replica) for replica in running.replicas]
        self._keepers.append((name, keepers))
        for keeper in keepers:
            keeper.begin()
        started = [keeper.started for keeper in keepers]
        await asyncio.wait(started)
        failed = [error for future in started if (error := future.exception()) is not None]
        for error in failed:
            raise ServiceUnavailable(f"service {name!r} could not start: {type(error).__name__}: {error}") from error
        if self._home is not None:
            await self._home.introduce(running)

    async def _leave(self) -> dict[str, BaseException]:
        """Stop everything, last started first; return what failed meanwhile.

        Cancel safety: everything is stopped first.
        """
        stopping = asyncio.create_task(self._stop(asyncio.current_task()), name="services that are stopped")
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):  # else a scope that was cancelled would tell so in every turn of the loop
            while not stopping.done():
                try:
                    await asyncio.wait([stopping])
                except asyncio.CancelledError as error:
                    cancelled = error
        if self._token is not None:
            with suppress(ValueError):  # whoever leaves need not be who has entered, such as the ends of a fixture
                current_services.reset(self._token)
            self._token = None
        failures = stopping.result()
        if cancelled is not None:
            _note(cancelled, failures)
            raise cancelled
        return failures

    async def _stop(self, leaver: "asyncio.Task[Any] | None") -> dict[str, BaseException]:
        """The same in a task of its own, which nobody cancels; `leaver` waits for it.

        Cancel safety: see `_leave`.
        """
        failures: dict[str, BaseException] = {}
        while self._keepers:
            name, keepers = self._keepers.pop()
            await self._running[name].stop(leaver)
            for outcome in await asyncio.gather(*(keeper.end() for keeper in keepers), return_exceptions=True):
                if isinstance(outcome, Exception):
                    failures[f"service {name!r} failed while it was stopped: {outcome!r}"] = outcome
        if self._home is not None:
            await self._home.aclose()
        return failures

    def _replica(self, definition: ServiceDefinition, index: int) -> Replica:
        """One replica in its place; what makes those of a place is loaded when it is first used."""
        if definition.place == "inproc":
            return InprocReplica(definition, ServiceContext(definition.name, index, definition.replicas, self))
        from sage.services.home import Home

        self._home = self._home or Home(self)
        if definition.place == "zmq":
            from sage.services.process import ProcessReplica

            return ProcessReplica(definition, index, self._home)
        from sage.services.ray import RayReplica

        return RayReplica(definition, index, self._home)

    async def _health(self, running: RunningService) -> dict[str, Any]:
        told = [await _told(replica, replica in running.ready) for replica in running.replicas]
        return {"ok": all(one.get("ok") for one in told), "replicas": told}


async def _told(replica: Replica, ready: bool) -> Mapping[str, Any]:
    if not ready:
        return {"ok": False, "error": f"it is not running: {replica.reason}"}
    told: Any = None
    try:
        with anyio.move_on_after(_PATIENCE) as scope:
            told = await replica.health()
    except Exception as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}
    if scope.cancelled_caught:
        return {"ok": False, "error": f"health() did not answer within {_PATIENCE:g} s"}
    if not isinstance(told, Mapping) or "ok" not in told:
        return {"ok": False, "error": f"health() gave {told!r}; return a mapping with 'ok', such as {{'ok': True}}"}
    return told


def _note(error: BaseException, failures: Iterable[str]) -> None:
    """Tell of what failed behind `error`."""
    for failure in failures:
        error.add_note(failure)
