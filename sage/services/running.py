"""A service that runs: its replicas, and the way of a call to one of them.

::

    call ── deadline ── breaker ── rate ── admission ── balance ── replica
              └── again, if it failed and may be retried ──┘
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope, move_on_after

from sage.errors import (
    CircuitOpen,
    DeadlineExceeded,
    Overloaded,
    ServiceError,
    ServiceUnavailable,
    UnknownMethod,
)
from sage.services.admission import Admission
from sage.services.balance import balance_named
from sage.services.breaker import Circuit
from sage.services.deadline import remaining
from sage.services.definition import ServiceDefinition
from sage.services.replica import Replica
from sage.services.service import MethodKind
from sage.services.statistics import BatchStatistics, ServiceStatistics

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

__all__ = ["RunningService"]

R = TypeVar("R")
# A stream that has begun: where, the rest of it, and its first item.
_Stream = tuple[Replica, AsyncGenerator[Any, None], Any]
# Stands for the first item of a stream that has none.
_NOTHING: Any = object()
# Another attempt would come to the same, or would make things worse.
_FINAL = (CircuitOpen, DeadlineExceeded, Overloaded, UnknownMethod)


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
        self.methods: Mapping[str, MethodKind] = {}
        self.statistics = ServiceStatistics()
        # Why no replica can be called, while that is so.
        self._reason = "it has not started"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._back = asyncio.Event()
        self._final = False
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

    def came(self, replica: Replica) -> None:
        """A replica can be called from now on."""
        self.methods = replica.methods
        self._loop = asyncio.get_running_loop()
        self.ready = sorted([*self.ready, replica], key=lambda one: one.index)
        self._back.set()

    def went(self, replica: Replica, reason: str, *, final: bool) -> None:
        """A replica cannot be called any more; with `final`, it does not come back."""
        replica.reason = reason
        self.ready = [one for one in self.ready if one is not replica]
        if not self.ready:
            self._reason = reason
            self._final = final
            if final:
                self._back.set()  # nobody waits for what does not come
            else:
                self._back.clear()

    # -- calls -------------------------------------------------------------------------------------------------------

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The answer of a method that answers with one value.

        Cancel safety: cancelling the wait cancels the call at the service.

        Raises:
            ServiceError: the call could not be made, or was given up.
            Exception: what the service raised, with a note of where.
        """
        self.statistics.calls += 1
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
                replica, items, first = await self._retrying(self._open, scope, method, args, kwargs)
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
        replica = await self._choose(args, kwargs)
        replica.outstanding += 1
        try:
            return await replica.call(method, args, kwargs)
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
            replica = await self._choose(args, kwargs)
            items = replica.stream(method, args, kwargs)
            replica.outstanding += 1
            try:
                first = await anext(items, _NOTHING)
            except BaseException as error:
                replica.outstanding -= 1
                self._note(error, method, replica)
                await items.aclose()
                raise
        except BaseException as error:
            self._leave(error, scope)
            raise
        return replica, items, first

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
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
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
        from stamina import retry_context

        async for trial in retry_context(
            on=_may_help,
            attempts=policy.attempts,
            timeout=None,
            wait_initial=policy.delay,
            wait_max=policy.max_delay,
            wait_jitter=policy.delay / 2,
            wait_exp_base=policy.backoff,
        ):
            with trial:
                self.statistics.retries += trial.num > 1
                return await attempt(*args)
        raise AssertionError("the last attempt returns or raises")

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


def _may_help(error: BaseException) -> bool:
    """Whether to try again. What is no `Exception` is a cancellation: it is the caller's, and goes on to it."""
    return isinstance(error, Exception) and not isinstance(error, _FINAL)


def _limiter(rate: float | None) -> "AsyncLimiter | None":
    if rate is None:
        return None
    from aiolimiter import AsyncLimiter

    return AsyncLimiter(max(rate, 1), max(1 / rate, 1))
