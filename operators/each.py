"""Operators that call the user's function once for each record: what map, filter, flat_map and sinks share.

The description holds the function and how it is called. A plain function runs inline on the whole batch; an async or a
blocking one runs in a pool (`pool.py`).
"""

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import anyio

from sage.operators.callables import BoundFunction, Shape, UserFunction, user_function
from sage.operators.contract import Context, Emissions, Logic, Operator, Tagged, Wait
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import Function
from sage.operators.numbers import is_count, is_number
from sage.operators.plain import refuse_awaitable
from sage.operators.policies import DEAD_LETTERS, ErrorPolicy, Fail, Letter, Retry, check_policy, dead_letters
from sage.operators.threads import in_thread

__all__ = ["EachLogic", "EachRecord", "final_failure"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class EachRecord(Operator[In, Out], Generic[In, Out]):
    """A user's function, called for each record.

    Args:
        function: a plain, async, generator or async generator function (as the operator allows), or a function class.
        concurrency: how many calls of an async or blocking function may run at a time; `None` for the operator's
            default.
            A plain function runs inline, one record at a time.
        ordered: whether results keep the order of the records although calls end in another.
        timeout: seconds that one call may take; then it is cancelled and counts as failed with `TimeoutError`.
        blocking: run a plain function in threads, so that it may block.
        on_error: what is done when the function fails on a record.
    """

    function: Any
    _: KW_ONLY
    concurrency: int | None = None
    ordered: bool = True
    timeout: float | None = None
    blocking: bool = False
    on_error: ErrorPolicy = field(default_factory=Fail)

    #: The function class that may be given, and its method.
    base: ClassVar[type[Function]]
    method: ClassVar[str]
    default_concurrency: ClassVar[int] = 32
    #: How the function may give its results.
    shapes: ClassVar[tuple[Shape, ...]] = tuple(Shape)
    #: Whether the function returns an iterable of results.
    iterates: ClassVar[bool] = False
    #: What to write instead of a function that yields, where none may.
    not_yielding: ClassVar[str] = "return its results as a list"

    def __post_init__(self) -> None:
        target = self.target
        if target.shape not in self.shapes and target.shape.yields:
            instead = self.not_yielding.format(target.label or "...")
            raise InvalidOperator(f"{self.kind}: {target.shown} yields its results; {instead}")
        if self.concurrency is not None and not is_count(self.concurrency):
            raise InvalidOperator(
                f"{self.kind}: concurrency={self.concurrency!r}: write how many calls may run at a time, 1 or more"
            )
        if self.timeout is not None and not is_number(self.timeout, beyond=True):
            raise InvalidOperator(f"{self.kind}: timeout={self.timeout!r}: write seconds above 0, or None for no limit")
        for option in ("ordered", "blocking"):
            if not isinstance(getattr(self, option), bool):
                raise InvalidOperator(f"{self.kind}: {option}={getattr(self, option)!r}: write True or False")
        if self.blocking and target.shape.is_async:
            raise InvalidOperator(
                f"{self.kind}: {target.shown} is async; blocking=True is for plain functions that block"
            )
        if self.timeout is not None and not target.shape.is_async:
            raise InvalidOperator(
                f"{self.kind}: timeout={self.timeout} needs an async function; "
                f"a plain one cannot be interrupted, nor can one that runs in a thread"
            )
        check_policy(self.on_error, self.kind)

    @functools.cached_property
    def target(self) -> UserFunction:
        """The function, checked."""
        return user_function(self.function, owner=self.kind, base=self.base, method=self.method)

    @property
    def label(self) -> str:
        """The function's name, empty for a lambda."""
        return self.target.label

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """The dead letters, if the policy sets records aside."""
        return dead_letters(self.on_error)

    @property
    def runs_in_pool(self) -> bool:
        """Whether calls run beside each other rather than inline."""
        return self.blocking or self.target.shape.is_async

    @property
    def places(self) -> int:
        """How many calls may run at a time."""
        return self.concurrency or self.default_concurrency

    def bind(self, subtask: int, parallelism: int) -> BoundFunction:
        """The function of one subtask; a blocking one as an async function that runs it in a thread."""
        bound = self.target.bind(subtask, parallelism)
        if self.blocking:
            bound.call = _threaded(bound.call, self.places, self._in_thread)
        return bound

    def _in_thread(self, returned: Any) -> Any:
        """What a blocking function has returned, seen to in its thread."""
        refuse_awaitable(returned, f"{self.kind}({self.label})" if self.label else self.kind)
        if self.iterates and isinstance(returned, Iterable) and not isinstance(returned, Collection):
            return list(returned)  # what is made only now may block, too
        return returned

    @abstractmethod
    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""


class EachLogic(Logic):
    """Runs a plain function inline on batches, and applies the policy where it fails.

    Derived classes say how to run it on many records: `until_error`.

    Args:
        policy: what is done when the function fails on a record.
        bound: the function.
    """

    def __init__(self, policy: ErrorPolicy, bound: BoundFunction) -> None:
        self.function = bound
        # Builtins never return something to await, and some are known by their name.
        self.call: Callable[..., Any] = bound.call if inspect.isbuiltin(bound.call) else self._first_call
        self._policy = policy
        self.context: Context

    async def open(self, context: Any) -> None:
        """Open the function.

        Cancel safety: as `Logic.open`.
        """
        self.context = context
        await self.function.open(context)

    @abstractmethod
    def until_error(self, batch: Batch[Any]) -> tuple[Batch[Any] | None, int, Exception | None]:
        """Call the function for the records up to the first one that fails.

        Returns what to emit, how many records are done, and the error of the next one, if any.
        """

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        """See `Logic.process`."""
        emitted, done, error = self.until_error(batch)
        if error is None:
            return () if emitted is None else (emitted,)
        return self.go_on(batch, emitted, done, error)

    async def close(self) -> None:
        """Close the function.

        Cancel safety: as `Logic.close`.
        """
        await self.function.close()

    def go_on(self, batch: Batch[Any], emitted: Batch[Any] | None, done: int, error: Exception | None) -> Emissions:
        """Apply the policy to the record that has failed, and go on behind it."""
        while True:
            if emitted is not None:
                yield emitted
            if error is None:
                return
            yield from self._failed(batch.slice(done, done + 1), error)
            batch = batch.slice(done + 1, len(batch))
            if not batch:
                return
            emitted, done, error = self.until_error(batch)

    def _first_call(self, value: Any) -> Any:
        """What is called in the first batch: nobody would await what a plain function returns. Then `call` is direct.

        Raises:
            InvalidOperator: it returns something to await.
        """
        call = self.function.call
        result = call(value)
        if self.call is not call:
            refuse_awaitable(result, self.context.name)
            self.call = call
        return result

    def _failed(self, record: Batch[Any], error: Exception) -> Emissions:
        policy, attempt = self._policy, 1
        if isinstance(policy, Retry) and not isinstance(error, InvalidOperator):
            while attempt < policy.attempts:
                yield Wait(policy.pause(attempt))
                attempt += 1
                emitted, _, again = self.until_error(record)
                if again is None:
                    if emitted is not None:
                        yield emitted
                    return
                error = again
        yield from final_failure(policy, record, error, attempt, self.context)


def final_failure(
    policy: ErrorPolicy, record: Batch[Any], error: BaseException, attempts: int, context: Context
) -> Emissions:
    """What becomes of a record (a batch of one row) for which the function has failed for good.

    A record of a call fails its call, and nothing else.

    Raises:
        RecordFailed: the policy is to fail, and the record is no call's.
        InvalidOperator: `error` is one: the program is wrong, not the record.
    """
    if isinstance(error, InvalidOperator):
        raise error
    last = policy.then if isinstance(policy, Retry) else policy
    (value,) = record.values
    if not isinstance(last, Fail) and isinstance(error, Exception):
        letter = Letter(value, error, context.name, context.subtask_index, attempts)
        return (Tagged(DEAD_LETTERS, record.derive([letter])),)
    if record.calls is None:
        raise RecordFailed(value, error)
    record.calls[0].fail(error, context.name)
    return ()


def _threaded(call: Callable[..., Any], places: int, then: Callable[[Any], Any]) -> Callable[..., Any]:
    limiter: list[anyio.CapacityLimiter] = []  # made at the first call: it belongs to the running loop

    def whole(value: Any) -> Any:
        try:
            return then(call(value))
        except StopIteration as error:  # cannot cross an await
            raise RuntimeError("the function raised StopIteration") from error

    async def run(value: Any) -> Any:
        if not limiter:
            limiter.append(anyio.CapacityLimiter(places))
        return await in_thread(whole, value, limiter=limiter[0])

    return run
