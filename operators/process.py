"""The most general step: a function that emits what it likes, also to side outputs and by timers.

A plain function runs inline; an async one runs in a pool of one place, so that it, too, works on one record after the
other. Timers take their turn among the records.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from sage.operators.builder import BatchBuilder
from sage.operators.callables import BoundFunction, Shape, UserFunction, check_method, shape_of, user_function
from sage.operators.calls import CallHolder, left
from sage.operators.contract import Context, Emissions, Logic, Tagged, Wait
from sage.operators.each import EachRecord, final_failure
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator
from sage.operators.functions import Function, ProcessFunction
from sage.operators.plain import refuse_awaitable, visible
from sage.operators.policies import Retry
from sage.operators.pool import PoolLogic
from sage.operators.process_context import CallTimers, Due, ProcessContext, ToSide
from sage.operators.slots import Slot

__all__ = ["Process"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Process(EachRecord[In, Out]):
    """Call the function with each record and a `ProcessContext`, by which it emits.

    What is emitted carries the timestamp and the call of the record that it came from. It goes on when the function has
    ended without an error; from an async function, with the policy `Fail`, at once. The timers that a function has set
    before it failed are cancelled.
    """

    kind: ClassVar[str] = "process"
    base: ClassVar[type[Function]] = ProcessFunction
    method: ClassVar[str] = "process"
    default_concurrency: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.concurrency not in (None, 1):
            raise InvalidOperator(
                f"process: concurrency={self.concurrency}: it works on one record at a time; leave it out"
            )
        if self.blocking:
            raise InvalidOperator(
                "process: its context belongs to the event loop, so it cannot run in a thread; "
                "call what blocks in a map(..., blocking=True) before it, or by asyncio.to_thread"
            )
        for shape in (self.target.shape, self._timer_shape):
            if shape in (Shape.GENERATOR, Shape.ASYNC_GENERATOR):
                raise InvalidOperator(f"process: {self.target.shown} yields; write ctx.emit(...), or use flat_map")

    @functools.cached_property
    def target(self) -> UserFunction:
        """The function, checked."""
        return user_function(self.function, owner=self.kind, base=self.base, method=self.method, arity=2)

    @property
    def side_outputs(self) -> tuple[str, ...] | None:  # type: ignore[override]  # a constant there, computed here
        """It may emit to any."""
        return None

    @property
    def runs_in_pool(self) -> bool:
        """Whether something has to be awaited."""
        return self.target.shape.is_async or (self._timer_shape is not None and self._timer_shape.is_async)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        logic = _PooledProcess if self.runs_in_pool else _InlineProcess
        if self.target.method is None:
            return logic(self, BoundFunction(self.function, None), None)
        instance: Any = self.target.instance(parallelism)
        on_timer = None if self._timer_shape is None else instance.on_timer
        return logic(self, BoundFunction(instance.process, instance), on_timer)

    @functools.cached_property
    def _timer_shape(self) -> Shape | None:
        """The shape of `on_timer`; `None` where there is none."""
        kind = self.function if isinstance(self.function, type) else type(self.function)
        if not issubclass(kind, ProcessFunction) or kind.on_timer is ProcessFunction.on_timer:
            return None
        check_method(kind, "on_timer", self.kind, 2)
        return shape_of(kind.on_timer)


#: What is called with a record and the context, or when a timer is due.
_Call = Callable[[Any, ProcessContext], Any]


class _InlineProcess(Logic, CallHolder):
    def __init__(self, operator: Process[Any, Any], bound: BoundFunction, on_timer: Callable[..., Any] | None) -> None:
        self._function = bound
        self._on_timer = on_timer
        self._policy = operator.on_error
        self._context: Context
        # One for all records: only the function that is running may use it.
        self._lent: ProcessContext
        self._timers: CallTimers

    async def open(self, context: Any) -> None:
        self._context = context
        self._timers = CallTimers(context)
        self._lent = ProcessContext(context, self._timers, has_on_timer=self._on_timer is not None)
        await self._function.open(context)

    @property
    def pending(self) -> bool:
        return self._timers.pending

    def flush(self) -> Emissions:
        self._timers.awaited = True
        return ()

    def abandon(self) -> None:
        self._timers.abandon()

    async def close(self) -> None:
        await self._function.close()

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return self._each(batch, self._function.call)

    def on_timer(self, tag: Any) -> Emissions:
        due = self._timers.come(tag)
        if due is not None:
            yield from self._each(due, _when_due(self._on_timer))
            if due.calls is not None:
                left(due.calls)

    def _each(self, batch: Batch[Any], call: _Call) -> Emissions:
        limit = self._context.batch_size
        made: BatchBuilder[Any] = BatchBuilder()
        for row in range(len(batch)):
            error = self._attempt(call, batch, row, made)
            if error is not None:
                yield from _given_out(made, limit)
                yield from self._failed(call, batch, row, made, error)
            if len(made) >= limit:
                yield from _given_out(made, limit)
        yield from _given_out(made, limit)

    def _attempt(self, call: _Call, batch: Batch[Any], row: int, made: BatchBuilder[Any]) -> Exception | None:
        lent = self._lent
        emitted: list[Any] = []
        lent.enter(batch, row, emitted.append)
        try:
            result = call(batch.values[row], lent)
            if result is not None:
                refuse_awaitable(result, self._context.name)
        except InvalidOperator:
            raise
        except Exception as error:
            lent.cancel_timers()
            return visible(error)
        finally:
            lent.leave()
        if emitted:
            made.add(emitted, batch, row)
        return None

    def _failed(self, call: _Call, batch: Batch[Any], row: int, made: BatchBuilder[Any], error: Exception) -> Emissions:
        policy, attempt = self._policy, 1
        if isinstance(policy, Retry):
            while attempt < policy.attempts:
                yield Wait(policy.pause(attempt))
                attempt += 1
                again = self._attempt(call, batch, row, made)
                if again is None:
                    return
                error = again
        yield from final_failure(policy, batch.slice(row, row + 1), error, attempt, self._context)


class _PooledProcess(PoolLogic):
    def __init__(self, operator: Process[Any, Any], bound: BoundFunction, on_timer: Callable[..., Any] | None) -> None:
        super().__init__(operator, bound)
        self._on_timer = on_timer
        self._timers: CallTimers

    async def open(self, context: Any) -> None:
        self._timers = CallTimers(context)
        await super().open(context)

    @property
    def pending(self) -> bool:
        return super().pending or self._timers.pending

    def flush(self) -> Emissions:
        self._timers.awaited = True
        return super().flush()

    def abandon(self) -> None:
        super().abandon()
        self._timers.abandon()

    def on_timer(self, tag: Any) -> Emissions:
        due = self._timers.come(tag)
        return () if due is None else self.process(due, 0)  # behind the records that came before

    def start(self, slot: Slot) -> Awaitable[Any]:
        return self._run(slot)

    def results(self, slot: Slot, returned: Any) -> list[Any]:
        return list(returned)

    async def _run(self, slot: Slot) -> list[Any]:
        emitted: list[Any] = []
        lent = ProcessContext(self.context, self._timers, has_on_timer=self._on_timer is not None)
        lent.enter(slot.batch, slot.row, (lambda value: self.put(slot, [value])) if self.streams else emitted.append)
        value = slot.value
        call = _when_due(self._on_timer) if type(value) is Due else self.call
        try:
            result = call(value, lent)
            if inspect.isawaitable(result):
                await result
        except BaseException:
            lent.cancel_timers()
            raise
        finally:
            lent.leave()
        return emitted

    def collect(self) -> Emissions:
        for emission in super().collect():
            if isinstance(emission, Batch):
                yield from _parted(emission)
            else:
                yield emission


def _when_due(on_timer: Callable[..., Any] | None) -> _Call:
    def call(due: Due, lent: ProcessContext) -> Any:
        # Without an `on_timer` no timer can be set.
        return None if on_timer is None else on_timer(due.when, lent)

    return call


def _given_out(made: BatchBuilder[Any], limit: int) -> Iterator[Batch[Any] | Tagged]:
    for batch in made.batches(limit):
        yield from _parted(batch)


def _parted(batch: Batch[Any]) -> Iterator[Batch[Any] | Tagged]:
    """The values for the main output, and those for each side output, apart."""
    if ToSide not in map(type, batch.values):
        yield batch
        return
    rows: dict[str | None, list[int]] = {}
    for row, value in enumerate(batch.values):
        rows.setdefault(value.output if type(value) is ToSide else None, []).append(row)
    for output, of_output in rows.items():
        part = batch.take(of_output)
        if output is None:
            yield part
        else:
            yield Tagged(output, part.derive([value.value for value in part.values]))
