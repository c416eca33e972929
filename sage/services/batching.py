"""Calls gathered into lists: the method of a model, which is quicker on many at once.

A list is dispatched when it is full, or when its first call has waited long enough. Nothing waits when a full list is
there, and nobody waits for a list that has been dispatched.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set, Sized
from contextvars import Context, ContextVar
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from sage.current import current
from sage.errors import GraphError, ServiceError, ServiceUnavailable
from sage.operators.numbers import is_count, is_number, seconds
from sage.services.finding import current_services
from sage.services.remaking import own_copy
from sage.services.statistics import BatchStatistics

__all__ = ["BatchedMethod", "Gatherer", "batched"]

T = TypeVar("T")
R = TypeVar("R")


class Gatherer(Generic[T, R]):
    """Gathers the calls of one method of one instance.

    Args:
        function: takes a list of items, gives one result for each; an exception as a result fails that item alone.
        max_size: how many items a list holds at most.
        max_wait: seconds that the first item of a list waits for company.
        name: the method's name, for errors.

    Attributes:
        statistics: what was dispatched so far.
        on_dispatch: called for each list, once it is counted.
    """

    def __init__(
        self,
        function: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        max_size: int,
        max_wait: float,
        name: str,
    ) -> None:
        self.statistics = BatchStatistics()
        self.on_dispatch: Callable[[], object] = _nobody
        self._function = function
        self._max_size = max_size
        self._max_wait = max_wait
        self._name = name
        # By the order of their arrival.
        self._waiting: dict[asyncio.Future[R], T] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False
        # A list belongs to no one caller: it runs on behalf of the service, and carries nobody's deadline.
        self._context = _only(current, current_services)

    async def call(self, *items: T, **named: object) -> R:
        """Have one item worked on in company.

        Cancel safety: when cancelled, the item is taken out if its list has not left; work on a list stops when nobody
        waits for it any more.

        Raises:
            TypeError: it is not called with one item.
            ServiceError: its list was cancelled, or did not get a result for each item.
            Exception: what came instead of a result, or what the method raised; each caller has an error of its own.
        """
        if named or len(items) != 1:
            given = ", ".join([f"{len(items)} items", *map(repr, named)])
            raise TypeError(f"{self._name} is @sage.batched: it is called with one item, not with {given}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting[answer] = items[0]
        if len(self._waiting) >= self._max_size:
            self._dispatch("full")
        elif self._timer is None:
            self._timer = loop.call_later(self._max_wait, self._dispatch, "time")
        try:
            return await answer
        except asyncio.CancelledError:
            self._waiting.pop(answer, None)
            raise

    async def aclose(self) -> None:
        """Stop what runs; whoever waits is told that the service was stopped.

        Cancel safety: when cancelled, everything was told to stop, but it was not waited for.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._fail(self._waiting, self._cancelled())
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _dispatch(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._waiting = self._waiting, {}
        left = len(calls)
        if not left:
            return
        self.statistics.count(left, reason)
        self.on_dispatch()
        task = asyncio.create_task(self._run(calls), name=f"batch of {self._name}", context=self._context)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

        def answered(answer: "asyncio.Future[R]") -> None:
            nonlocal left
            left -= 1
            if not left:  # harmless when the task is what has answered
                task.cancel()

        for answer in calls:
            answer.add_done_callback(answered)

    async def _run(self, calls: Mapping["asyncio.Future[R]", T]) -> None:
        try:
            results = self._checked(await self._worked_on(list(calls.values())), len(calls))
        except asyncio.CancelledError:
            self._fail(calls, self._cancelled())
            raise
        except BaseException as error:
            self._fail(calls, error)
            if not isinstance(error, Exception):
                raise
            return
        told = set[int]()  # errors that somebody has got
        for answer, result in zip(calls, results, strict=True):
            if answer.done():
                continue
            if not isinstance(result, BaseException):
                answer.set_result(result)
                continue
            answer.set_exception(_raisable(own_copy(result) if id(result) in told else result))
            told.add(id(result))

    def _worked_on(self, items: list[T]) -> Awaitable[Sequence[R | Exception]]:
        results = self._function(items)
        if not inspect.isawaitable(results):
            raise ServiceError(f"{self._name} is @sage.batched and not async; write async def, and return a list")
        return results

    def _checked(self, results: Sequence[R | Exception], count: int) -> Sequence[R | Exception]:
        """The results, if they are one for each of `count` items."""
        name = self._name
        if not isinstance(results, Sized) or isinstance(results, str | bytes | Set | Mapping):
            raise ServiceError(f"{name} is @sage.batched: it returns a list of results, not a {type(results).__name__}")
        if len(results) != count:
            raise ServiceError(
                f"{name} was given {count} items and gave {len(results)} results: "
                f"a @sage.batched method gives one for each, an exception for one that failed"
            )
        return results

    def _fail(self, calls: Iterable["asyncio.Future[R]"], error: BaseException) -> None:
        """Tell all who wait, each by an error of its own: notes and tracebacks of one are not for the others."""
        mine = _raisable(error)
        for answer in calls:
            if not answer.done():
                answer.set_exception(mine)
                mine = own_copy(error)

    def _cancelled(self) -> ServiceError:
        if self._closed:
            return ServiceUnavailable(f"{self._name}: the service was stopped meanwhile")
        return ServiceError(f"{self._name}: the work on the list was cancelled, and not by its callers")


def _raisable(error: BaseException) -> BaseException:
    """The error as a future can hold it."""
    if isinstance(error, StopIteration):  # as Python does when a coroutine raises it
        return RuntimeError(f"a @sage.batched method gave {error!r}")
    return error


def _only(*variables: ContextVar[Any]) -> Context:
    """A context with the values that some variables have now, and nothing else."""
    context = Context()
    for variable in variables:
        if (value := variable.get(None)) is not None:
            context.run(variable.set, value)
    return context


def _nobody() -> None:
    pass


class BatchedMethod(Generic[T, R]):
    """A method that is written over lists and called with one item; each instance gathers its own calls."""

    is_service_method = True

    def __init__(
        self, function: Callable[[Any, list[T]], Awaitable[Sequence[R | Exception]]], max_size: int, max_wait: float
    ) -> None:
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", "batched")
        self._function = function
        self._max_size = max_size
        self._max_wait = max_wait

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, instance: None, owner: type) -> "BatchedMethod[T, R]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> Callable[[T], Awaitable[R]]: ...
    def __get__(self, instance: object | None, owner: type) -> "BatchedMethod[T, R] | Callable[[T], Awaitable[R]]":
        if instance is None:
            return self
        return self.gatherer(instance).call

    def gatherer(self, instance: object) -> Gatherer[T, R]:
        """What gathers the calls of `instance`."""
        gatherers = instance.__dict__.setdefault("_sage_gatherers", {})
        if self.__name__ not in gatherers:
            name = f"{type(instance).__name__}.{self.__name__}"
            function = self._function.__get__(instance)
            gatherers[self.__name__] = Gatherer(function, self._max_size, self._max_wait, name)
        gatherer: Gatherer[T, R] = gatherers[self.__name__]
        return gatherer


def batched(
    *, max_size: int = 64, max_wait: float | timedelta = 0.005
) -> Callable[[Callable[[Any, list[T]], Awaitable[Sequence[R | Exception]]]], BatchedMethod[T, R]]:
    """Have a service's method, written over lists, called with one item at a time.

    ::

        @sage.batched(max_size=16, max_wait=0.01)
        async def embed(self, texts: list[str]) -> list[Vector]: ...

        vector = await sage.service("embedder").embed("one text")

    Args:
        max_size: how many items a list holds at most, at least 1.
        max_wait: seconds, or a timedelta, that the first of a list waits for company.

    Raises:
        GraphError: a number cannot be.
    """
    wait = seconds(max_wait)
    if not is_count(max_size):
        raise GraphError(f"batched(max_size={max_size!r}): write how many items a list may hold, 1 or more")
    if not is_number(wait):
        raise GraphError(f"batched(max_wait={max_wait!r}): write seconds, 0 or more")
    return lambda function: BatchedMethod(function, max_size, wait)
