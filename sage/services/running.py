"""A service that runs: its replicas, and the way of a call to one of them.

::

    call ── deadline ── breaker ── rate ── admission ── balance ── replica
              └── again, if it failed and may be retried ──┘
"""

import asyncio
from asyncio import current_task
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope, move_on_after

from sage.errors import (
    DeadlineExceeded,
    ServiceError,
    ServiceUnavailable,
    UnknownMethod,
)
from sage.services.admission import Admission
from sage.services.balance import balance_named
from sage.services.breaker import Circuit
from sage.services.deadline import remaining
from sage.services.definition import ServiceDefinition
from sage.services.replica import NotBegun, Replica
from sage.services.retrying import retrying
from sage.services.service import MethodKind, Service, methods_of
from sage.services.statistics import BatchStatistics, ServiceStatistics
from sage.services.under_way import UnderWay

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

__all__ = ["RunningService"]

R = TypeVar("R")
# A stream that has begun: where, the rest of it, and its first item.
_Stream = tuple[Replica, AsyncGenerator[Any, None], Any]
# Stands for the first item of a stream that has none.
_NOTHING: Any = object()


class RunningService:
    """One service of a program while it runs.

    Args:
        definition: what was registered.
        replicas: its replicas; the manager starts and stops them.

    Attributes:
        ready: the replicas that can be called now.
        statistics: what was done so far; without lists, which replicas count (see `told`).
    """

    def __init__(self, definition: ServiceDefinition, replicas: list[Replica]) -> None:
        self.definition = definition
        self.replicas = replicas
        self.ready: list[Replica] = []
        registered: type[Service] | None = definition.service_type
        # Of what a factory makes they are known when a replica has come.
        self.methods: Mapping[str, MethodKind] = {} if registered is None else methods_of(registered)
        self.statistics = ServiceStatistics()
        # Why no replica can be called, while that is so.
        self._reason = "it has not started"
        self._back = asyncio.Event()
        self._final = False
        self._stopped = False
        self._under_way = UnderWay(definition.name)
        self._balance = balance_named(definition.balance)
        self._admission = Admission(definition.name, definition.max_concurrency, definition.max_queue)
        self._circuit = Circuit(definition.name, definition.breaker) if definition.breaker else None
        self._limiter = _limiter(definition.rate)
        self._seconds = definition.seconds
        # Its connections belong to the event loop. Here, a method that waits for nothing may be called from any.
        self._elsewhere = definition.place != "inproc"
        # Nothing on the way but a replica.
        self._direct = not (
            definition.max_concurrency or definition.breaker or definition.rate or definition.retry or self._seconds
        )

    def told(self) -> ServiceStatistics:
        """What was done until now, with the lists that all replicas have dispatched."""
        batches: dict[str, BatchStatistics] = {}
        for replica in self.replicas:
            for method, counted in replica.batches.items():
                batches.setdefault(method, BatchStatistics()).add(counted)
        return replace(self.statistics, batches=batches)

    # -- replicas come and go ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Replicas are about to come."""
        self._stopped = False

    def came(self, replica: Replica) -> None:
        """A replica can be called from now on."""
        if self._stopped:
            return
        self.methods = replica.methods
        self._under_way.settle()
        self.ready = sorted([*self.ready, replica], key=lambda one: one.index)
        self._back.set()

    def went(self, replica: Replica, reason: str, *, final: bool) -> None:
        """A replica cannot be called any more; with `final`, it does not come back."""
        replica.reason = reason
        self.ready = [one for one in self.ready if one is not replica]
        if self.ready or self._stopped:
            return
        self._reason = reason
        self._final = final
        if final:
            self._back.set()  # nobody waits for what does not come
        else:
            self._back.clear()

    async def stop(self, leaver: "asyncio.Task[Any] | None" = None) -> None:
        """Take no more calls; cancel those that wait or run, and wait for their end. Replicas are stopped behind it.

        Streams that have begun end with their replicas. A call of `leaver`, who waits for this, is not cancelled.

        Cancel safety: everything was cancelled; some of it may not have ended.
        """
        self._stopped = self._final = True
        self._reason = "it was stopped"
        self.ready = []
        self._back.set()
        await self._under_way.stop(leaver)

    # -- calls -------------------------------------------------------------------------------------------------------

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The answer of a method that answers with one value.

        Cancel safety: cancelling the wait cancels the call at the service.

        Raises:
            ServiceError: the call could not be made, or was given up.
            Exception: what the service raised, with a note of where.
        """
        self.statistics.calls += 1
        # As `UnderWay.begin` and `end` do it, whose calls would cost a quarter of this one.
        this, under_way = object(), self._under_way
        tasks = under_way.tasks
        tasks[this] = current_task(under_way.loop) if get_ident() == under_way.thread else None
        try:
            self._check(method, MethodKind.UNARY)
            if self._direct:
                if self._elsewhere:
                    self._check_loop()
                return await self._once(method, args, kwargs)
            with self._in_time(method) as scope:
                return await self._retrying(self._attempt, scope, method, args, kwargs)
        except Exception:
            self.statistics.failures += 1
            raise
        except asyncio.CancelledError:
            if self._under_way.end(this):
                self.statistics.failures += 1
                raise self._under_way.stopped(method) from None
            raise
        finally:
            if tasks.pop(this, this) is this:
                self._under_way.end(this)

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """The answer of a method that streams.

        Cancel safety: closing the generator, or cancelling whoever reads it, cancels the call at the service.

        Raises:
            ServiceError, Exception: as `call`.
        """
        self.statistics.calls += 1
        try:
            self._check(method, MethodKind.STREAM)
            with self._in_time(method) as scope:
                replica, items, first = await self._begun(scope, method, args, kwargs)
            ended: BaseException | None = None
            try:
                async with aclosing(items):
                    if first is not _NOTHING:
                        yield first
                        async for item in items:
                            yield item
            except BaseException as error:
                ended = error
                self._note(error, method, replica)
                raise
            finally:
                replica.outstanding -= 1
                self._leave(ended)
        except Exception:
            self.statistics.failures += 1
            raise

    # -- inside ------------------------------------------------------------------------------------------------------

    def _check(self, method: str, kind: MethodKind) -> None:
        """Refuse what cannot be called, or comes too late.

        Raises:
            UnknownMethod, DeadlineExceeded: as they say.
        """
        if self.methods.get(method) is not kind:
            if method in self.methods:
                how = "async for item in" if kind is MethodKind.UNARY else "await"
                raise UnknownMethod(
                    f"{self.definition.name}.{method} answers {self.methods[method].value}: write {how}"
                )
            if self.methods:
                there = ", ".join(sorted(self.methods)) or "nothing"
                raise UnknownMethod(
                    f"service {self.definition.name!r} has no method {method!r} to call; it has {there} "
                    f"(public methods that are async, or async generators)"
                )
        left = remaining()
        if left is not None and left <= 0:
            raise DeadlineExceeded(f"{self.definition.name}.{method}: the deadline has passed already")

    async def _begun(
        self, scope: CancelScope | None, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _Stream:
        """A stream that has begun, or ended already."""
        this = self._under_way.begin()
        try:
            return await self._retrying(self._open, scope, method, args, kwargs)
        except asyncio.CancelledError:
            if self._under_way.end(this):
                raise self._under_way.stopped(method) from None
            raise
        finally:
            self._under_way.end(this)

    async def _attempt(
        self, scope: CancelScope | None, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        await self._enter()
        try:
            answer = await self._once(method, args, kwargs)
        except BaseException as error:
            self._leave(error, scope)
            raise
        self._leave(None)
        return answer

    async def _once(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        while True:
            replica = await self._choose(args, kwargs)
            replica.outstanding += 1
            try:
                return await replica.call(method, args, kwargs)
            except NotBegun as error:
                self._check_gone(replica, error)
            except Exception as error:
                if isinstance(error, RuntimeError):
                    self._check_loop(error)
                self._note(error, method, replica)
                raise
            finally:
                replica.outstanding -= 1

    async def _open(
        self, scope: CancelScope | None, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _Stream:
        """Begin a stream, and wait for its first item: until then it may be tried again."""
        await self._enter()
        try:
            return await self._open_once(method, args, kwargs)
        except BaseException as error:
            self._leave(error, scope)
            raise

    async def _open_once(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Stream:
        while True:
            replica = await self._choose(args, kwargs)
            items = replica.stream(method, args, kwargs)
            replica.outstanding += 1
            try:
                return replica, items, await anext(items, _NOTHING)
            except BaseException as error:
                replica.outstanding -= 1
                self._note(error, method, replica)
                await items.aclose()
                if not isinstance(error, NotBegun):
                    raise
                self._check_gone(replica, error)

    def _check_gone(self, replica: Replica, error: NotBegun) -> None:
        """A replica could not be reached.

        Raises:
            ServiceUnavailable: it has not gone. Of one that has, others are asked, or the next one is waited for.
        """
        if replica in self.ready:
            raise ServiceUnavailable(str(error)) from None

    async def _choose(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Replica:
        """A replica that can be called, waiting for one that is being started again if that was asked for."""
        while not self.ready:
            restart = self.definition.restart
            if self._final or restart is None or not restart.wait:
                raise ServiceUnavailable(f"service {self.definition.name!r} cannot be called now: {self._reason}")
            await self._back.wait()
        if len(self.ready) == 1:
            return self.ready[0]
        chosen: Any = self._balance.choose(self.ready, args, kwargs)
        replica: Replica = chosen
        return replica

    async def _enter(self) -> None:
        """Pass everything that limits calls; follow with `_leave`."""
        self._check_loop()
        if self._circuit is not None:
            self._circuit.check()
        try:
            if self._limiter is not None:
                await self._limiter.acquire()
            await self._admission.enter()
        except BaseException:
            if self._circuit is not None:
                self._circuit.given_up()  # it never reached the service
            raise

    def _check_loop(self, failed: RuntimeError | None = None) -> None:
        """Refuse a call from another event loop, where nobody would be woken up."""
        loop = self._under_way.loop
        if loop is not None and loop is not asyncio.get_running_loop():
            raise ServiceError(
                f"service {self.definition.name!r} belongs to the event loop in which it was started, and is called "
                f"from another one; call it there, or start services in this one with env.services()"
            ) from failed

    def _leave(self, error: BaseException | None, scope: CancelScope | None = None) -> None:
        self._admission.leave()
        if self._circuit is not None:
            if error is None:
                self._circuit.succeeded()
            elif isinstance(error, Exception) or (scope is not None and scope.cancel_called):
                self._circuit.failed()  # it raised, or let its own `timeout` pass
            else:
                self._circuit.given_up()

    async def _retrying(self, attempt: Callable[..., Awaitable[R]], *args: Any) -> R:
        policy = self.definition.retry
        if policy is None:
            return await attempt(*args)
        return await retrying(policy, attempt, *args, again=self._count_retry)

    def _count_retry(self) -> None:
        self.statistics.retries += 1

    @contextmanager
    def _in_time(self, method: str) -> Iterator[CancelScope | None]:
        if self._seconds is None:
            yield None
            return
        with move_on_after(self._seconds) as scope:
            yield scope
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"{self.definition.name}.{method} did not answer within timeout={self._seconds:g} s")

    def _note(self, error: BaseException, method: str, replica: Replica) -> None:
        """Tell where an error came from."""
        if isinstance(error, Exception):
            which = f", replica {replica.index}" if len(self.replicas) > 1 else ""
            note = f"from service {self.definition.name}.{method}{which} ({self.definition.place})"
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)


def _limiter(rate: float | None) -> "AsyncLimiter | None":
    if rate is None:
        return None
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(max(rate, 1), max(1 / rate, 1))
