"""Calls gathered into lists: the method of a model, which is quicker on many at once.

A list is dispatched when it is full, or when its first call has waited long enough. Nothing waits when a full list is
there, and nobody waits for a list that has been dispatched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, ContextVar
from datetime import timedelta
from typing import Any, Generic, TypeVar, overload

from sage.current import current
from sage.errors import GraphError, ServiceError
from sage.services.finding import current_services
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
        self, function: Callable[[list[T]], Awaitable[Sequence[R]]], max_size: int, max_wait: float, name: str
    ) -> None:
        self.statistics = BatchStatistics()
        self.on_dispatch: Callable[[], object] = _nobody
        self._function = function
        self._max_size = max_size
        self._max_wait = max_wait
        self._name = name
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        # A list belongs to no one caller: it runs on behalf of the service, and carries nobody's deadline.
        self._context = _only(current, current_services)

    async def call(self, item: T) -> R:
        """Have `item` worked on in company.

        Cancel safety: when cancelled, the item is taken out if its list has not left; work on a list stops when nobody
        waits for it any more.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, answer))
        if len(self._waiting) >= self._max_size:
            self._dispatch("full")
        elif self._timer is None:
            self._timer = loop.call_later(self._max_wait, self._dispatch, "time")
        return await answer

    async def aclose(self) -> None:
        """Stop what runs; whoever waits is cancelled.

        Cancel safety: when cancelled, everything was told to stop, but it was not waited for.
        """
        if self._timer is not None:
            self._timer.cancel()
        for _, answer in self._waiting:
            answer.cancel()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _dispatch(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls = [(item, answer) for item, answer in self._waiting if not answer.done()]
        self._waiting = []
        if calls:
            self.statistics.count(len(calls), reason)
            self.on_dispatch()
            task = asyncio.create_task(self._run(calls), name=f"batch of {self._name}", context=self._context)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            left = len(calls)

            def answered(answer: "asyncio.Future[R]") -> None:
                nonlocal left
                left -= 1
                if not left:  # harmless when the task is what has answered
                    task.cancel()

            for _, answer in calls:
                answer.add_done_callback(answered)

    async def _run(self, calls: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._function([item for item, _ in calls])
            if len(results) != len(calls):
                raise ServiceError(
                    f"{self._name} was given {len(calls)} items and gave {len(results)} results: "
                    f"a @sage.batched method gives one for each, an exception for one that failed"
                )
        except asyncio.CancelledError:
            for _, answer in calls:
                answer.cancel()
            raise
        except Exception as error:
            results = [error] * len(calls)  # type: ignore[list-item]  # told as an exception below
        for (_, answer), result in zip(calls, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)


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
        self, function: Callable[[Any, list[T]], Awaitable[Sequence[R]]], max_size: int, max_wait: float
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
) -> Callable[[Callable[[Any, list[T]], Awaitable[Sequence[R]]]], BatchedMethod[T, R]]:
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
    seconds = max_wait.total_seconds() if isinstance(max_wait, timedelta) else max_wait
    if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 1:
        raise GraphError(f"batched(max_size={max_size!r}): write how many items a list may hold, 1 or more")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= 0:
        raise GraphError(f"batched(max_wait={max_wait!r}): write seconds, 0 or more")
    return lambda function: BatchedMethod(function, max_size, seconds)
