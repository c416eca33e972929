"""`open`: the records of a running program, one by one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

import sage
from sage.testing import assert_nothing_left


async def test_all_records_in_order() -> None:
    env = sage.Environment("all")
    async with env.from_iterable(range(3_000)).map(str).open() as records:
        assert [value async for value in records] == [str(number) for number in range(3_000)]


async def test_leaving_early_cancels_the_job_and_closes_its_functions() -> None:
    ended: list[str] = []

    def numbers() -> Iterator[int]:
        try:
            yield from count()
        finally:
            ended.append("source")

    class Watch(sage.MapFunction[int, int]):
        def map(self, value: int) -> int:
            return value

        def close(self) -> None:
            ended.append("map")

    env = sage.Environment("early")
    async with assert_nothing_left():
        reading = env.from_iterable(numbers()).map(Watch()).open()
        async with reading as records:
            async for value in records:
                if value == 5:
                    break
            assert ended == []
        assert sorted(ended) == ["map", "source"]
        assert reading.job.status == "cancelled"


async def test_leaving_with_an_error_passes_it_on() -> None:
    env = sage.Environment("error")
    reading = env.from_iterable(count()).open()
    with pytest.raises(KeyError, match="mine"):
        async with reading as records:
            async for _ in records:
                raise KeyError("mine")
    assert reading.job.status == "cancelled"


async def test_a_slow_reader_holds_up_the_source() -> None:
    made = 0

    def numbers() -> Iterator[int]:
        nonlocal made
        for made in range(1, 10_001):  # noqa: UP028  # it counts
            yield made

    env = sage.Environment("slow", batch_size=4, channel_capacity=8)
    furthest = 0
    async with env.from_iterable(numbers()).open() as records:
        async for value in records:
            for _ in range(3):
                await asyncio.sleep(0)
            furthest = max(furthest, made - value)
            if value == 500:
                break
    # What the reader has not read yet, the channel, and the batch in the hands of the source.
    assert 0 < furthest <= 4 + 8 + 4


async def test_a_failure_reaches_the_reader_behind_the_records_that_had_come() -> None:
    def invert(number: int) -> float:
        return 1 / (number - 3)

    env = sage.Environment("failing")
    seen: list[float] = []
    reading = env.from_iterable(range(10)).map(invert).open()
    with pytest.raises(sage.JobFailed, match="failed on record 3: ZeroDivisionError") as caught:
        async with reading as records:
            async for value in records:
                seen.append(value)  # noqa: PERF401  # a comprehension would lose them all
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert seen == [1 / (number - 3) for number in range(len(seen))]
    assert reading.job.status == "failed"


async def test_records_come_while_the_program_runs() -> None:
    release = asyncio.Event()

    async def numbers() -> AsyncIterator[int]:
        yield 1
        await release.wait()
        yield 2

    env = sage.Environment("while")
    async with env.from_iterable(numbers()).open() as records:
        assert await anext(records) == 1
        release.set()
        assert await anext(records) == 2
        with pytest.raises(StopAsyncIteration):
            await anext(records)


async def test_other_sinks_of_the_program_run_as_well() -> None:
    env = sage.Environment("others")
    numbers = env.from_iterable(range(5))
    others = numbers.map(str).collect()
    async with numbers.open() as records:
        assert [value async for value in records] == list(range(5))
    assert others.values == ["0", "1", "2", "3", "4"]


async def test_the_job_is_there_inside_the_block() -> None:
    env = sage.Environment("job")
    reading = env.from_iterable([1]).open()
    with pytest.raises(sage.GraphError, match=r"inside a block: async with stream.open\(\) as records"):
        reading.job  # noqa: B018
    async with reading as records:
        assert reading.job.name == "job"
        assert [value async for value in records] == [1]


async def test_a_block_is_entered_once() -> None:
    env = sage.Environment("twice")
    reading = env.from_iterable([1]).open()
    async with reading as records:
        assert [value async for value in records] == [1]
    with pytest.raises(sage.GraphError, match="entered before; build the program anew to read it again"):
        async with reading:
            pytest.fail("entered a second time")


async def test_each_block_is_a_run_of_its_own() -> None:
    env = sage.Environment("blocks")
    numbers = env.from_iterable(range(10_000))
    async with numbers.open() as left_early:
        assert await anext(left_early) == 0
    assert len(env.logical_graph.nodes) == 1
    async with numbers.open() as first, numbers.open() as second:
        assert (await anext(second), await anext(first)) == (0, 0)
    assert len(await numbers.to_list()) == 10_000
