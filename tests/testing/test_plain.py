"""The plain engine: a program's results without channels, tasks or time."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

import sage
from sage.operators.contract import Emissions, Logic, Operator
from sage.operators.elements import Batch, Watermark
from sage.operators.source import PullReader, Source, SourceLogic
from sage.testing import PlainEngine, assert_nothing_left, virtual_time


def plain(name: str = "plain", batch_size: int = 1024) -> sage.Environment:
    return sage.Environment(name, engine=PlainEngine(batch_size=batch_size))


def test_it_runs_without_a_loop_as_well() -> None:
    env = plain()
    out = env.from_iterable(range(5)).map(lambda value: value * 2).filter(lambda value: value > 2).collect()
    result = sage.run(env)
    assert out.values == [4, 6, 8]
    assert (result.name, result.status) == ("plain", "finished")


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True])
def test_a_batch_size_that_cannot_be_is_refused(batch_size: Any) -> None:
    with pytest.raises(sage.GraphError, match="batch_size"):
        PlainEngine(batch_size=batch_size)


def test_a_program_that_cannot_run_is_refused() -> None:
    with pytest.raises(sage.GraphError, match="nothing to run"):
        plain().start()


async def test_results_come_in_the_same_order_at_every_run() -> None:
    def numbers() -> Iterator[int]:
        yield from range(100)

    async def later(value: int) -> int:
        await asyncio.sleep(0.001 * (value % 3))
        return value

    async def results() -> list[Any]:
        env = plain(batch_size=7)
        stream = env.from_iterable(numbers).union(env.from_iterable(range(0, -50, -1)))
        counted = stream.rebalance().map(later, parallelism=3).key_by(lambda value: value % 4).count(parallelism=4)
        return await counted.to_list()

    first = await results()
    assert len(first) == 150
    assert await results() == first


class Dated(SourceLogic[int], PullReader[int]):
    """Gives each record the time that it tells."""

    def __init__(self) -> None:
        self.left = [3, 5]

    async def open(self, context: Any) -> PullReader[int]:
        return self

    def read(self, limit: int) -> list[int]:
        taken, self.left = self.left, []
        return taken

    def batch(self, values: list[int]) -> Batch[Any]:
        return Batch(values, timestamps=[value * 1_000_000 for value in values])


@dataclass(frozen=True)
class DatedSource(Source[int]):
    kind: ClassVar[str] = "dated"

    def build(self) -> SourceLogic[int]:
        return Dated()


async def test_a_source_makes_its_batches_itself() -> None:
    dates = plain().from_source(DatedSource()).process(lambda value, ctx: ctx.emit(ctx.timestamp))
    assert await dates.to_list() == [3.0, 5.0]


async def test_batches_are_no_longer_than_asked_for() -> None:
    sizes: list[int] = []

    @dataclass(frozen=True)
    class Sizes(Operator[Any, Any]):
        kind: ClassVar[str] = "sizes"

        def build(self, subtask: int, parallelism: int) -> Logic:
            return SizesLogic()

    class SizesLogic(Logic):
        def process(self, batch: Batch[Any], port: int) -> Emissions:
            sizes.append(len(batch))
            return ()

    async def awaiting() -> AsyncIterator[int]:
        for number in range(10):
            yield number

    env = plain(batch_size=4)
    env.from_iterable(range(10)).union(env.from_iterable(awaiting)).flat_map(lambda value: [value] * 3).sink(Sizes())
    await env.run()
    assert sum(sizes) == 60
    assert max(sizes) == 4


@virtual_time
async def test_an_endless_source_is_ended_and_closed_by_take() -> None:
    closed: list[str] = []

    def endless() -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            closed.append("plain")

    async def ticking() -> AsyncIterator[int]:
        try:
            for number in endless():
                yield number
                await asyncio.sleep(1)
        finally:
            closed.append("async")

    for source in (endless, ticking):
        async with assert_nothing_left():
            assert await plain(batch_size=2).from_iterable(source).map(lambda value: value).take(5).to_list() == [
                0,
                1,
                2,
                3,
                4,
            ]
    gc.collect()
    assert sorted(closed) == ["async", "plain", "plain"]


@virtual_time
async def test_a_source_that_waits_does_not_hold_up_the_others() -> None:
    done = asyncio.Event()

    async def waiting() -> AsyncIterator[str]:
        await done.wait()
        yield "last"

    env = plain()
    out = env.from_iterable(waiting()).union(env.from_iterable(["first"]).inspect(lambda _: done.set()))
    assert await out.to_list() == ["first", "last"]


@virtual_time
async def test_a_drain_ends_the_sources() -> None:
    async def ticking() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            await asyncio.sleep(1)

    env = plain()
    out = env.from_iterable(ticking()).batch(1_000).collect()
    async with assert_nothing_left(), env.start() as job:
        await asyncio.sleep(3.5)
        assert job.status == "running"
        await job.drain()
    assert job.status == "finished"
    assert out.values == [[0, 1, 2, 3]]


@virtual_time
async def test_cancelled_it_closes_all() -> None:
    log: list[str] = []

    class Stuck(sage.MapFunction[int, int]):
        def open(self, context: Any) -> None:
            log.append("open")

        async def map(self, value: int) -> int:
            try:
                await asyncio.sleep(1_000)
            finally:
                log.append("stopped")
            return value

        async def close(self) -> None:
            await asyncio.sleep(1)
            log.append("close")

    env = plain()
    env.from_iterable([1]).map(Stuck()).sink(print)
    async with assert_nothing_left(), env.start() as job:
        await asyncio.sleep(1)
        await job.cancel()
    assert job.status == "cancelled"
    assert log == ["open", "stopped", "close"]


@virtual_time
async def test_the_first_failure_is_raised_and_those_of_close_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(sage.MapFunction[int, int]):
        def map(self, value: int) -> int:
            raise ValueError("the cause")

        def close(self) -> None:
            raise OSError("what follows")

    env = plain()
    env.from_iterable([1]).map(Broken(), name="broken").sink(print)
    with pytest.raises(sage.JobFailed, match="operator 'broken' failed on record 1: ValueError: the cause"):
        await env.run()
    assert "what follows" in caplog.text


@virtual_time
async def test_an_error_of_close_alone_fails_the_job() -> None:
    class Unclosed(sage.MapFunction[int, int]):
        def map(self, value: int) -> int:
            return value

        def close(self) -> None:
            raise OSError("disk full")

    env = plain()
    out = env.from_iterable([1]).map(Unclosed(), name="unclosed").collect()
    with pytest.raises(sage.JobFailed, match="operator 'unclosed' failed: OSError: disk full"):
        await env.run()
    assert out.values == [1]


@pytest.mark.parametrize("where", ["open", "map", "source"])
@virtual_time
async def test_what_awaits_something_cancelled_has_failed(where: str) -> None:
    async def cancelled(here: str) -> None:
        if here == where:
            stopped = asyncio.ensure_future(asyncio.sleep(1))
            stopped.cancel()
            await stopped

    class Awaiting(sage.MapFunction[int, int]):
        async def open(self, context: Any) -> None:
            await cancelled("open")

        async def map(self, value: int) -> int:
            await cancelled("map")
            return value

    async def source() -> AsyncIterator[int]:
        yield 1
        await cancelled("source")

    env = plain()
    env.from_iterable(source(), name="source").map(Awaiting(), name="map").sink(lambda _: None)
    with pytest.raises(
        sage.JobFailed, match=f"operator '{'source' if where == 'source' else 'map'}' failed.*CancelledError"
    ):
        await env.run()


async def test_time_stands_still_but_for_a_wait() -> None:
    env = plain()
    stamps = env.from_iterable(range(4)).throttle(rate=0.005).map(lambda value: (value, sage.context().now()))
    begun = asyncio.get_running_loop().time()
    out = await stamps.to_list()
    assert [value for value, _ in out] == [0, 1, 2, 3]
    assert out[-1][1] == pytest.approx(600, abs=0.1)
    assert asyncio.get_running_loop().time() - begun < 300


async def test_timers_fire_when_a_wait_moves_the_time() -> None:
    class Late(sage.ProcessFunction[int, str]):
        def process(self, value: int, ctx: Any) -> None:
            ctx.timers.after(3 if value == 0 else 1_000)

        def on_timer(self, timestamp: float, ctx: Any) -> None:
            ctx.emit(f"due at {timestamp:.0f}")

    env = plain(batch_size=1)
    assert await env.from_iterable(range(4)).throttle(rate=0.5).process(Late()).to_list() == ["due at 3"]


async def test_whoever_iterates_holds_up_nobody_else() -> None:
    env = plain(batch_size=2)
    seen: list[int] = []
    async with env.from_iterable(range(10)).open() as records:
        async for value in records:
            seen.append(value)
            if value == 6:
                break
    assert seen == list(range(7))


@dataclass(frozen=True)
class Stamp(Operator[int, Any]):
    """Emits each number as a watermark; or, as the `last` one, shows the watermarks that come."""

    kind: ClassVar[str] = "stamp"
    last: bool = False
    keeps: bool = False

    def build(self, subtask: int, parallelism: int) -> Logic:
        return ShowLogic(self.keeps) if self.last else StampLogic()


class StampLogic(Logic):
    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return [Watermark(value) for value in batch.values]


class ShowLogic(Logic):
    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        return ()

    def on_watermark(self, watermark: Watermark) -> Emissions:
        return (Batch([watermark.timestamp]),)

    def keeps_watermark(self, watermark: Watermark) -> bool:
        return self.keeps


def stamped(stream: Any, operator: Stamp) -> Any:
    return stream._then(operator)


async def test_watermarks_are_merged() -> None:
    env = plain(batch_size=1)
    left = stamped(env.from_iterable([5, 10, 20, 20]), Stamp())
    right = stamped(env.from_iterable([7, 3, 12]), Stamp())
    assert await stamped(left.union(right), Stamp(last=True)).to_list() == [5, 7, 12, 20]


async def test_a_watermark_that_is_kept_does_not_go_on() -> None:
    for keeps in (True, False):
        env = plain()
        shown = stamped(stamped(env.from_iterable([5]), Stamp()), Stamp(last=True, keeps=keeps))
        assert await stamped(shown, Stamp(last=True)).to_list() == ([] if keeps else [5])


async def test_it_stands_where_it_is_told_to() -> None:
    env = plain()
    env.from_iterable([1]).sink(lambda _: None)
    job = env.submit()
    assert job.status == "running"
    await job.wait()
    assert (job.status, job.status.is_final) == ("finished", True)
