"""Process functions: emitting, side outputs, timers, plain and async."""

import asyncio
import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sage.operators.contract import Tagged, TimerHandle
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.functions import MapFunction, ProcessFunction
from sage.operators.policies import DeadLetter, Retry
from sage.operators.process import Process
from sage.operators.process_context import ProcessContext
from sage.testing import OperatorHarness


def split(line: str, ctx: ProcessContext) -> None:
    """Words to the main output, numbers to a side output."""
    for word in line.split():
        ctx.emit(word, output="numbers" if word.isdigit() else None)


async def split_later(line: str, ctx: ProcessContext) -> None:
    for word in line.split():
        await asyncio.sleep(0)
        ctx.emit(word, output="numbers" if word.isdigit() else None)


class Alarm(ProcessFunction[float, str]):
    """Sets a timer for each record, so many seconds later."""

    def __init__(self) -> None:
        self.set: list[TimerHandle] = []

    def process(self, value: float, ctx: ProcessContext) -> None:
        self.set.append(ctx.timers.after(value))

    def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
        ctx.emit(f"{ctx.key} at {timestamp}, now {ctx.now()}")


class LaterAlarm(Alarm):
    async def process(self, value: float, ctx: ProcessContext) -> None:  # type: ignore[override]  # may be async
        await asyncio.sleep(0)
        self.set.append(ctx.timers.after(value))

    async def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:  # type: ignore[override]  # may be async
        await asyncio.sleep(0)
        ctx.emit(f"{ctx.key} at {timestamp}, now {ctx.now()}")


class HalfLaterAlarm(Alarm):
    async def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:  # type: ignore[override]  # may be async
        super().on_timer(timestamp, ctx)


# ---- emitting


@pytest.mark.parametrize("function", [split, split_later])
async def test_values_go_to_the_outputs_named_in_order(function: Any) -> None:
    async with OperatorHarness(Process(function)) as op:
        op.process(["a 1 b", "", "2 c 3"])
        await op.settle()
    assert op.values == ["a", "b", "c"]
    assert op.side == {"numbers": ["1", "2", "3"]}


@pytest.mark.parametrize("function", [split, split_later])
async def test_what_is_emitted_has_the_columns_of_its_record(function: Any) -> None:
    async with OperatorHarness(Process(function)) as op:
        op.process(Batch(["a 1 b", "2", "c"], ["k", "l", "m"], [10, 20, 30], ["x", "y", "z"]))
        await op.settle()
    batches: dict[str | None, list[tuple[Any, ...]]] = {None: [], "numbers": []}
    for emission in op.emitted:
        output, batch = emission if isinstance(emission, Tagged) else (None, emission)
        assert isinstance(batch, Batch)
        assert batch.keys is None
        batches[output] += zip(batch.values, batch.timestamps or [], batch.calls or [], strict=True)
    assert batches[None] == [("a", 10, "x"), ("b", 10, "x"), ("c", 30, "z")]
    assert batches["numbers"] == [("1", 10, "x"), ("2", 20, "y")]


async def test_the_context_tells_of_the_record_and_its_surroundings() -> None:
    seen: list[tuple[Any, ...]] = []

    def look(value: int, ctx: ProcessContext) -> None:
        seen.append((ctx.key, ctx.timestamp, ctx.now(), ctx.name, ctx.subtask_index, ctx.parallelism))
        assert isinstance(ctx.logger, logging.Logger)

    async with OperatorHarness(Process(look), subtask_index=1, parallelism=3) as op:
        op.clock.advance(5)
        op.process(Batch([1, 2], ["a", None], [1_500_000, 0]))
        op.process([3])
    assert seen == [
        ("a", 1.5, 5.0, "process", 1, 3),
        (None, 0.0, 5.0, "process", 1, 3),
        (None, None, 5.0, "process", 1, 3),
    ]


async def test_many_values_are_cut_into_batches_as_they_come() -> None:
    calls: list[int] = []

    def spread(number: int, ctx: ProcessContext) -> None:
        calls.append(number)
        for value in range(number):
            ctx.emit(value)

    async with OperatorHarness(Process(spread), batch_size=4) as op:
        emissions = iter(op.logic.process(Batch([3, 3, 3, 9]), 0))
        first = next(emissions)
        assert isinstance(first, Batch)
        assert calls == [3, 3]  # it does not run ahead of the room downstream
        sizes = [len(first), *(len(batch) for batch in emissions if isinstance(batch, Batch))]
    assert sizes == [4, 2, 4, 4, 4]


@pytest.mark.parametrize("later", [False, True])
async def test_a_context_cannot_be_used_after_its_function(later: bool) -> None:
    kept: list[ProcessContext] = []

    def keep(value: int, ctx: ProcessContext) -> None:
        kept.append(ctx)

    async def keep_later(value: int, ctx: ProcessContext) -> None:
        keep(value, ctx)

    function: Any = keep_later if later else keep
    async with OperatorHarness(Process(function)) as op:
        op.process([1])
        await op.settle()
        for use in (lambda: kept[0].emit(1), lambda: kept[0].key, lambda: kept[0].timers.after(1)):
            with pytest.raises(RuntimeError, match="after the function had ended"):
                use()


async def test_an_output_needs_a_name() -> None:
    async with OperatorHarness(Process(lambda value, ctx: ctx.emit(value, output=value))) as op:
        with pytest.raises(RecordFailed, match=r"emit\(..., output=3\): write the name"):
            op.process([3])


async def test_an_async_function_sees_one_record_after_the_other() -> None:
    running = 0

    async def alone(value: int, ctx: ProcessContext) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        ctx.emit(value)
        running -= 1

    async with OperatorHarness(Process(alone)) as op:
        op.process(range(20))
        await op.settle()
    assert op.values == list(range(20))


async def test_an_async_function_gives_out_as_it_goes() -> None:
    gate = asyncio.Event()

    async def tokens(value: str, ctx: ProcessContext) -> None:
        ctx.emit("first")
        await gate.wait()
        ctx.emit("second")

    async with OperatorHarness(Process(tokens)) as op:
        op.process(["ask"])
        for _ in range(3):
            await asyncio.sleep(0)
        op.emitted.extend(op.logic.collect())  # type: ignore[arg-type]  # it does not ask to wait
        assert op.values == ["first"]
        gate.set()
        await op.settle()
    assert op.values == ["first", "second"]


async def test_a_class_is_opened_with_the_context_of_the_runner_and_closed() -> None:
    log: list[Any] = []

    class Logged(ProcessFunction[int, int]):
        def open(self, context: Any) -> None:
            log.append(context)

        def process(self, value: int, ctx: Any) -> None:
            ctx.emit(value)
            assert self.context is log[0]

        async def close(self) -> None:
            log.append("close")

    async with OperatorHarness(Process(Logged)) as op:
        op.process([1])
    assert log == [op.context, "close"]
    assert op.values == [1]


# ---- timers


@pytest.mark.parametrize("kind", [Alarm, LaterAlarm, HalfLaterAlarm])
async def test_a_timer_sees_its_key_again(kind: type[Alarm]) -> None:
    async with OperatorHarness(Process(kind())) as op:
        op.process(Batch([3.0, 1.0], ["a", "b"], [10, 20], ["x", "y"]))
        await op.settle()
        op.advance(2)
        await op.settle()
        assert op.values == ["b at 1.0, now 1.0"] or kind is not Alarm
        op.advance(2)
        await op.settle()
    assert [value.split(",")[0] for value in op.values] == ["b at 1.0", "a at 3.0"]
    carried = [(batch.timestamps, batch.calls) for batch in op.emitted if isinstance(batch, Batch)]
    assert carried == [([20], ["y"]), ([10], ["x"])]


@pytest.mark.parametrize("kind", [Alarm, LaterAlarm])
async def test_a_timer_can_be_cancelled(kind: type[Alarm]) -> None:
    alarm = kind()
    async with OperatorHarness(Process(alarm)) as op:
        op.process(Batch([1.0, 1.0], ["a", "b"]))
        await op.settle()
        alarm.set[0].cancel()
        op.advance(2)
        await op.settle()
    assert [value[0] for value in op.values] == ["b"]


async def test_a_timer_may_set_the_next_one_for_its_key() -> None:
    class Ticking(ProcessFunction[int, float]):
        def process(self, value: int, ctx: ProcessContext) -> None:
            ctx.timers.at(10)

        def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
            ctx.emit((ctx.key, ctx.timestamp, timestamp), output="ticks")
            ctx.timers.at(timestamp + 10)

    async with OperatorHarness(Process(Ticking)) as op:
        op.process(Batch([1], ["a"], [2_000_000]))
        op.advance(35)
    assert op.side == {"ticks": [("a", 2.0, 10), ("a", 2.0, 20), ("a", 2.0, 30)]}


async def test_an_async_timer_waits_for_the_record_at_hand() -> None:
    gate, log = asyncio.Event(), []

    class Slow(ProcessFunction[str, Any]):
        async def process(self, value: str, ctx: ProcessContext) -> None:
            ctx.timers.after(1)
            log.append(f"{value} begins")
            await gate.wait()
            log.append(f"{value} ends")

        async def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
            log.append("timer")

    async with OperatorHarness(Process(Slow)) as op:
        op.process(["a"])
        await asyncio.sleep(0)
        op.advance(1)
        assert op.logic.pending
        gate.set()
        await op.settle()
    assert log == ["a begins", "a ends", "timer"]


async def test_a_failing_timer_is_named() -> None:
    class Failing(Alarm):
        def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
            raise ValueError("too late")

    async with OperatorHarness(Process(Failing())) as op:
        op.process(Batch([1.0], ["a"]))
        with pytest.raises(RecordFailed, match=r"ValueError: too late .record: the timer for 1.0 of key 'a'"):
            op.advance(1)


@pytest.mark.parametrize("function", [lambda value, ctx: ctx.timers.after(1), MapFunction])
async def test_a_timer_needs_something_to_call(function: Any) -> None:
    class NoTimer(ProcessFunction[int, int]):
        def process(self, value: int, ctx: ProcessContext) -> None:
            ctx.timers.at(1)

    async with OperatorHarness(Process(NoTimer if function is MapFunction else function)) as op:
        with pytest.raises(InvalidOperator, match=r"write a sage.ProcessFunction with on_timer"):
            op.process([1])


async def test_times_of_python_are_times() -> None:
    class Timed(ProcessFunction[Any, float]):
        def process(self, value: Any, ctx: ProcessContext) -> None:
            if isinstance(value, timedelta):
                ctx.timers.after(value)
            else:
                ctx.timers.at(value)

        def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
            ctx.emit(timestamp)

    async with OperatorHarness(Process(Timed())) as op:
        op.process([timedelta(minutes=1), datetime.fromtimestamp(90, UTC)])
        op.advance(100)
        for wrong in (datetime(2000, 1, 1), "10", float("nan")):  # noqa: DTZ001 - of no time zone
            with pytest.raises(RecordFailed, match=r"timers.at\(.*\): write seconds .* with a time zone"):
                op.process([wrong])
    assert op.values == [60.0, 90.0]


async def test_a_timer_cannot_be_in_the_past_by_its_length() -> None:
    async with OperatorHarness(Process(Alarm())) as op:
        with pytest.raises(RecordFailed, match=r"timers.after\(-1\): write seconds"):
            op.process([-1])


# ---- failures


def emit_then_fail(value: int, ctx: ProcessContext) -> None:
    ctx.emit(value)
    ctx.emit(-value, output="negative")
    if value == 2:
        raise ValueError("two")


async def emit_then_fail_later(value: int, ctx: ProcessContext) -> None:
    await asyncio.sleep(0)
    emit_then_fail(value, ctx)


@pytest.mark.parametrize("function", [emit_then_fail, emit_then_fail_later])
async def test_a_failure_names_its_record_behind_what_came_before(function: Any) -> None:
    async with OperatorHarness(Process(function)) as op:
        with pytest.raises(RecordFailed, match=r"ValueError: two .record: 2"):  # either may raise it
            op.process([1, 2, 3])
            await op.settle()
    assert op.values[0] == 1
    assert op.side["negative"][0] == -1
    assert 3 not in op.values


@pytest.mark.parametrize("function", [emit_then_fail, emit_then_fail_later])
async def test_a_record_set_aside_leaves_nothing_behind(function: Any) -> None:
    async with OperatorHarness(Process(function, on_error=DeadLetter())) as op:
        op.process([1, 2, 3])
        await op.settle()
    assert op.values == [1, 3]
    assert op.side["negative"] == [-1, -3]
    assert [letter.value for letter in op.side["dead_letters"]] == [2]


async def test_a_record_is_tried_again_in_its_place() -> None:
    tries: list[int] = []

    def flaky(value: int, ctx: ProcessContext) -> None:
        tries.append(value)
        ctx.emit(value)
        if value == 2 and tries.count(2) < 3:
            raise ConnectionError

    async with OperatorHarness(Process(flaky, on_error=Retry(attempts=3, delay=1))) as op:
        op.process([1, 2, 3])
    assert op.values == [1, 2, 3]
    assert op.slept == [1, 2]


async def test_the_last_failure_decides() -> None:
    def never(value: int, ctx: ProcessContext) -> None:
        raise ConnectionError

    async with OperatorHarness(Process(never, on_error=Retry(attempts=2, delay=1, then=DeadLetter()))) as op:
        op.process([1])
    (letter,) = op.side["dead_letters"]
    assert (letter.value, letter.attempts) == (1, 2)


@pytest.mark.parametrize("later", [False, True])
async def test_the_timers_of_a_failed_attempt_are_forgotten(later: bool) -> None:
    class Flaky(ProcessFunction[str, str]):
        tries = 0

        def process(self, value: str, ctx: ProcessContext) -> None:
            self.tries += 1
            ctx.timers.after(self.tries)
            if self.tries == 1:
                raise ConnectionError

        def on_timer(self, timestamp: float, ctx: ProcessContext) -> None:
            ctx.emit(timestamp)

    class FlakyLater(Flaky):
        async def process(self, value: str, ctx: ProcessContext) -> None:  # type: ignore[override]  # may be async
            super().process(value, ctx)

    kind = FlakyLater if later else Flaky
    async with OperatorHarness(Process(kind, on_error=Retry(attempts=2, delay=0))) as op:
        op.process(["a"])
        await op.settle()
        op.advance(5)
        await op.settle()
    assert op.values == [2]


async def test_stop_iteration_is_an_error_and_no_loss() -> None:
    async with OperatorHarness(Process(lambda value, ctx: ctx.emit(next(value)))) as op:
        with pytest.raises(RecordFailed, match="StopIteration"):
            op.process([iter([1]), iter([])])


async def test_a_lambda_that_forgets_to_await_is_told_so() -> None:
    async with OperatorHarness(Process(lambda value, ctx: split_later(value, ctx))) as op:
        with pytest.raises(InvalidOperator, match="write `async def`"):
            op.process(["a"])


# ---- what is refused


def yielding(value: int, ctx: ProcessContext) -> Any:
    yield value


class YieldingTimer(Alarm):
    def on_timer(self, timestamp: float, ctx: ProcessContext) -> Any:
        yield timestamp


class Mapped(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value


def described(kind: Any, *args: Any, **options: Any) -> Callable[[], Any]:
    """Makes what the types alone would refuse."""
    return functools.partial(kind, *args, **options)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            described(Process, 5),
            "process: 5 is a int, not a function; write a function of 2 arguments or a sage.Process",
        ),
        (described(Process, lambda value: value), "process: the lambda.*cannot be called with 2 arguments"),
        (described(Process, Mapped), "process: Mapped is not a ProcessFunction"),
        (described(Process, yielding), r"process: yielding yields; write ctx.emit\(...\), or use flat_map"),
        (described(Process, YieldingTimer()), "process: YieldingTimer yields"),
        (described(Process, split_later, concurrency=4), "process: concurrency=4: it works on one record at a time"),
        (described(Process, split, blocking=True), r"process: .*cannot run in a thread.*map\(..., blocking=True\)"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        make()


async def test_each_subtask_has_an_instance_of_its_own() -> None:
    alarm = Alarm()
    operator: Process[float, str] = Process(alarm)
    async with OperatorHarness(operator, parallelism=2) as op:
        op.process([1.0])
    assert alarm.set == []


def test_any_name_is_a_side_output() -> None:
    assert Process(split).side_outputs is None
