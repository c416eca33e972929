"""How a job comes to its end: sources end, are drained, or nobody wants more of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.testing import assert_nothing_left, virtual_time
from tests.runtime.local.recording import Recorder, RecordingSource, turns


async def ticking() -> AsyncIterator[Any]:
    number = 0
    while True:
        yield number
        number += 1
        await asyncio.sleep(1)


async def later(value: Any) -> Any:
    await asyncio.sleep(0.5)
    return value


@virtual_time
async def test_a_drain_finishes_what_is_inside() -> None:
    out: list[int] = []
    env = sage.Environment("drained")
    env.from_iterable(ticking()).map(later, concurrency=4).batch(1_000).flat_map(list).sink(out.append)
    async with assert_nothing_left(), env.start() as job:
        await asyncio.sleep(10.2)
        assert out == []
        result = await job.drain()
    assert result.status == job.status == "finished"
    assert out == list(range(11))


@virtual_time
async def test_a_drain_tells_where_it_stands() -> None:
    env = sage.Environment("standing")
    env.from_iterable(ticking()).map(later).sink(lambda _: None)
    async with env.start() as job:
        await asyncio.sleep(1.2)
        draining = asyncio.create_task(job.drain())
        await asyncio.sleep(0)
        assert (job.status, job.status.is_final) == ("draining", False)
        draining.cancel()  # the wait, not the drain
        assert (await job.wait()).status == "finished"
        assert (await job.drain()).status == "finished"


@virtual_time
async def test_a_drain_closes_the_source_and_its_generator() -> None:
    log: list[str] = []
    out: list[int] = []
    env = sage.Environment("closed", channel_capacity=2)
    env.from_source(RecordingSource(log)).sink(out.append)
    async with env.start() as job:
        await turns()
        await job.drain()
    assert log == ["open source", "end source", "close source"]
    assert out == list(range(len(out)))
    assert len(out) > 10


@virtual_time
async def test_a_drain_before_the_first_turn_reads_nothing() -> None:
    out: list[int] = []
    env = sage.Environment("early")
    env.from_iterable(range(10)).union(env.from_iterable(ticking())).sink(out.append)
    job = env.submit()
    await job.drain()
    assert (job.status, out) == ("finished", [])


@virtual_time
async def test_a_drain_while_opening_opens_and_closes() -> None:
    class Slow(Recorder):
        async def open(self, context: Any) -> None:
            await asyncio.sleep(10)
            super().open(context)

    log: list[str] = []
    env = sage.Environment("opening")
    env.from_iterable(ticking()).map(Slow(log, "a")).sink(print)
    job = env.submit()
    await asyncio.sleep(1)
    await job.drain()
    assert log == ["open a", "close a"]


@virtual_time
async def test_a_drain_while_the_source_waits_for_room() -> None:
    out: list[int] = []

    async def slow(value: int) -> None:
        await asyncio.sleep(1)
        out.append(value)

    env = sage.Environment("full", channel_capacity=3, batch_size=2)
    env.from_iterable(iter(range(1_000_000))).map(lambda value: value).sink(slow)
    async with env.start() as job:
        await asyncio.sleep(5.5)
        await job.drain()
    assert 5 < len(out) < 30
    assert out == list(range(len(out)))


@virtual_time
async def test_a_drain_of_a_loop_waits_until_it_is_empty() -> None:
    env = sage.Environment("loop")
    loop = env.feedback()
    step = env.from_iterable(ticking()).union(loop.stream).map(later, concurrency=100)
    loop.close(step.map(lambda pair: pair + 1000).filter(lambda value: value < 5000))
    out = step.filter(lambda value: value >= 4000).collect()
    async with env.start() as job:
        await asyncio.sleep(3.2)
        await job.drain()
    assert sorted(out.values) == [4000, 4001, 4002, 4003]


@pytest.mark.parametrize("source", ["plain", "awaiting"])
@virtual_time
async def test_take_ends_an_endless_source_and_closes_it(source: str) -> None:
    log: list[str] = []

    class Awaiting(RecordingSource):
        async def run(self) -> AsyncIterator[Any]:
            try:
                async for number in ticking():
                    yield number
            finally:
                self.log.append("end source")

    env = sage.Environment("endless")
    made: Any = RecordingSource(log) if source == "plain" else Awaiting(log)
    async with assert_nothing_left(), asyncio.timeout(1_000):
        out = await env.from_source(made).map(Recorder([], "a")).map(later).take(5).map(later).to_list()
    assert out == list(range(5))
    assert log == ["open source", "end source", "close source"]


@virtual_time
async def test_take_of_nothing() -> None:
    env = sage.Environment("nothing")
    assert await env.from_source(RecordingSource([])).take(0).to_list() == []


@virtual_time
async def test_take_ends_a_source_that_has_nothing_more_to_say() -> None:
    async def source() -> AsyncIterator[Any]:
        yield 1
        await asyncio.sleep(1_000_000)

    env = sage.Environment("silent")
    async with asyncio.timeout(1_000):
        assert await env.from_iterable(source()).map(lambda value: value).take(1).to_list() == [1]


@virtual_time
async def test_take_ends_calls_that_are_under_way() -> None:
    async def call(value: int) -> int:
        await asyncio.sleep(1_000_000 if value else 0)
        return value

    env = sage.Environment("calls")
    async with asyncio.timeout(1_000):
        assert await env.from_iterable(range(3)).map(call).take(1).to_list() == [0]


@virtual_time
async def test_take_behind_calls_when_the_source_has_ended() -> None:
    async def call(value: int) -> int:
        await asyncio.sleep(0)
        return value

    for capacity in (1, 2, 3):
        for count in range(1, 9):
            for concurrency in (1, 2, 3):
                env = sage.Environment("ended", channel_capacity=capacity)
                async with asyncio.timeout(1_000):
                    out = await env.from_iterable(range(count)).map(call, concurrency=concurrency).take(1).to_list()
                assert out == [0]


def fail(value: Any) -> Any:
    raise ValueError(value)


@pytest.mark.parametrize(
    "write",
    [
        lambda numbers: numbers.throttle(0.01),
        lambda numbers: numbers.union(numbers.map(fail, on_error=sage.Retry(delay=3_600))),
        lambda numbers: numbers.union(numbers.map(fail, on_error=sage.Retry(delay=3_600))).map(later).map(str),
    ],
    ids=["throttle", "retry", "further up"],
)
@virtual_time
async def test_take_ends_those_that_pause(write: Any) -> None:
    env = sage.Environment("enough")
    async with assert_nothing_left():
        assert len(await write(env.from_iterable(range(10))).take(1).to_list()) == 1
    assert asyncio.get_running_loop().time() < 1


@virtual_time
async def test_take_beside_another_reader_ends_only_itself() -> None:
    env = sage.Environment("beside")
    numbers = env.from_iterable(range(5_000)).map(lambda value: value)
    first, all_of_them = numbers.take(3).collect(), numbers.collect()
    await env.run()
    assert first.values == [0, 1, 2]
    assert all_of_them.values == list(range(5_000))


@virtual_time
async def test_every_sink_gets_everything() -> None:
    env = sage.Environment("sinks", channel_capacity=16, batch_size=5)
    numbers = env.from_iterable(range(500))
    quick = numbers.collect()
    slow: list[int] = []

    async def slowly(value: int) -> None:
        await asyncio.sleep(0.001)
        slow.append(value)

    numbers.sink(slowly)
    doubled = numbers.map(lambda value: 2 * value).collect()
    await env.run()
    assert quick.values == slow == list(range(500))
    assert doubled.values == list(range(0, 1_000, 2))


@virtual_time
async def test_paths_part_and_meet_again() -> None:
    env = sage.Environment("diamond", channel_capacity=4, batch_size=3)
    top = env.from_iterable(range(300)).map(lambda value: value)
    left = top.map(later, concurrency=16, parallelism=2)
    right = top.filter(lambda value: value % 3 == 0).map(lambda value: -value, parallelism=3)
    out = await left.union(right, top).map(lambda value: value, parallelism=2).to_list()
    expected = Counter(range(300)) + Counter(range(300)) + Counter(-value for value in range(0, 300, 3))
    assert Counter(out) == expected


@virtual_time
async def test_a_stream_may_meet_itself() -> None:
    env = sage.Environment("twice")
    numbers = env.from_iterable(range(50))
    assert Counter(await numbers.union(numbers).to_list()) == Counter(list(range(50)) * 2)


@virtual_time
async def test_what_nobody_reads_holds_nobody_up() -> None:
    env = sage.Environment("unread", channel_capacity=2)
    numbers = env.from_iterable(range(1_000)).map(lambda value: value)
    numbers.map(lambda value: -value)  # without a reader
    assert await numbers.to_list() == list(range(1_000))


@virtual_time
async def test_an_end_comes_behind_slow_records_of_every_path() -> None:
    env = sage.Environment("uneven")

    async def uneven(value: int) -> int:
        await asyncio.sleep(10 if sage.context().subtask_index == 0 else 0)
        return value

    total = env.from_iterable(range(60)).rebalance().map(uneven, parallelism=3, concurrency=1).sum(emit="end")
    assert await total.to_list() == [sum(range(60))]
