"""A slow reader holds up whoever makes its records, and nobody else; calls take turns."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

import sage
from sage.testing import virtual_time
from tests.runtime.calls.asking import asking, read, turns


class Maker:
    """Async generators that note how far they have come, and how many are at work at a time."""

    def __init__(self) -> None:
        self.made: dict[Any, int] = {}
        self.at_work = 0
        self.most = 0

    async def __call__(self, request: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
        name, number = request
        for value in range(number):
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            await asyncio.sleep(0.001)
            self.at_work -= 1
            self.made[name] = value + 1
            yield name, value


@pytest.mark.parametrize("window", [1, 8])
@virtual_time
async def test_the_producer_of_a_slow_reader_pauses_and_nobody_else(window: int) -> None:
    make = Maker()
    env = sage.Environment("slow", call_window=window)
    env.endpoint("make").flat_map(make, concurrency=2).map(lambda v: v).reply()
    async with asking(env) as hall:
        slow = hall.job.stream("make", ("slow", 500))
        await anext(slow)
        assert await hall.ask("make", ("fast", 500)) == [[("fast", v) for v in range(500)]]
        assert make.made["slow"] <= window + 4
        assert await read(slow) == [("slow", v) for v in range(1, 500)]


@virtual_time
async def test_a_plain_flat_map_pauses_too() -> None:
    made: dict[str, int] = {}

    def make(name: str) -> Iterator[str]:
        for value in range(100_000):
            made[name] = value
            yield name

    env = sage.Environment("slow", call_window=8, batch_size=16)
    env.endpoint("make").flat_map(make).reply()
    async with asking(env) as hall, aclosing(hall.job.stream("make", "slow")) as slow:
        await anext(slow)
        await turns()
        assert made["slow"] < 100
        async with aclosing(hall.job.stream("make", "other")) as other:
            assert await anext(other) == "other"


@pytest.mark.parametrize("ordered", [True, False])
@virtual_time
async def test_more_parked_generators_than_places(ordered: bool) -> None:
    make = Maker()
    env = sage.Environment("parked", call_window=4)
    env.endpoint("make").flat_map(make, concurrency=2, ordered=ordered).reply()
    async with asking(env) as hall:
        sleepers = [hall.job.stream("make", (str(number), 50)) for number in range(9)]
        for sleeper in sleepers:
            await anext(sleeper)
        assert await hall.ask("make", ("awake", 100)) == [[("awake", v) for v in range(100)]]
        rest = await asyncio.gather(*map(read, sleepers))  # all come back at the same time
        assert [len(answer) for answer in rest] == [49] * 9
        assert make.most <= 2


@virtual_time
async def test_a_generator_that_comes_back_does_not_work_beyond_the_places() -> None:
    make = Maker()
    env = sage.Environment("one", call_window=2)
    env.endpoint("make").flat_map(make, concurrency=1).reply()
    async with asking(env) as hall:
        slow = hall.job.stream("make", ("slow", 200))
        await anext(slow)
        others = [asyncio.ensure_future(hall.ask("make", (str(number), 30))) for number in range(4)]
        assert len(await read(slow)) == 199
        await asyncio.gather(*others)
        assert make.most == 1


@virtual_time
async def test_the_later_records_of_a_slow_reader_hold_no_places_either() -> None:
    """In an ordered pool they wait behind the first one, and that one for its reader."""

    async def make(request: tuple[str, int]) -> AsyncIterator[tuple[str, int]]:
        for _ in range(200):
            yield request

    env = sage.Environment("places", call_window=8, batch_size=4)
    env.endpoint("make").flat_map(lambda name: [(name, part) for part in range(4)]).flat_map(
        make, concurrency=4
    ).reply()
    async with asking(env) as hall:
        slow = [hall.job.stream("make", name) for name in ("one", "two", "three")]
        for answer in slow:
            await anext(answer)
        await turns(200)
        (fast,) = await asyncio.wait_for(hall.ask("make", "fast"), 10)
        assert fast == [("fast", part) for part in range(4) for _ in range(200)]
        for name, answer in zip(("one", "two", "three"), slow, strict=True):
            assert await read(answer) == [(name, part) for part in range(4) for _ in range(200)][1:]


async def many(value: Any) -> AsyncIterator[int]:
    for number in range(20):
        yield number


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("batch_size", [1, 16, 1024])
@virtual_time
async def test_wide_answers_do_not_lock_themselves_out(window: int, batch_size: int) -> None:
    env = sage.Environment("wide", call_window=window, batch_size=batch_size, channel_capacity=max(batch_size, 8))
    wide = env.endpoint("x").flat_map(many, concurrency=2).flat_map(many, concurrency=2)
    wide.batch(7).flat_map(lambda part: part).flat_map(lambda v: [v, v]).reply()
    async with asking(env) as hall:
        expected = [number for _ in range(20) for number in range(20) for _ in "ab"]
        assert await asyncio.wait_for(hall.ask("x", *range(5)), 100) == [expected] * 5


@virtual_time
async def test_a_crowd_makes_those_upstream_pause() -> None:
    made: list[int] = []

    async def slow(value: int) -> int:
        await asyncio.sleep(0.01)
        return value

    def make(number: int) -> Iterator[int]:
        for value in range(number):
            made.append(value)
            yield value

    env = sage.Environment("crowd")
    env.endpoint("n").flat_map(make).map(slow, concurrency=4).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("n", 5_000)
        await anext(answer)
        assert len(made) < 2_000
        assert await read(answer) == [*range(1, 5_000)]


@pytest.mark.parametrize("function", ["async", "plain"])
@virtual_time
async def test_one_record_does_not_wait_behind_thousands(function: str) -> None:
    async def slow(value: int) -> int:
        await asyncio.sleep(0.005)
        return value

    env = sage.Environment("fair")
    env.endpoint("n").flat_map(range).map(slow, concurrency=4).reply()
    async with asking(env) as hall:
        loop = asyncio.get_running_loop()
        long = asyncio.ensure_future(read(hall.job.stream("n", 5_000)))
        await asyncio.sleep(0.1)
        begun = loop.time()
        assert await hall.ask("n", 1) == [[0]]
        assert loop.time() - begun < 0.1
        long.cancel()


@virtual_time
async def test_what_is_dropped_further_down_does_not_keep_others_from_a_plain_flat_map() -> None:
    made = 0

    def make(number: int) -> Iterator[int]:
        nonlocal made
        for value in range(number):
            made += 1
            yield value

    env = sage.Environment("dropped", batch_size=64)
    env.endpoint("n").flat_map(make).filter(lambda v: v == 0 or v == 199_999).reply()
    async with asking(env) as hall:
        long = hall.job.stream("n", 200_000)
        assert await anext(long) == 0
        assert await hall.ask("n", 1) == [[0]]
        assert made < 150_000
        assert await read(long) == [199_999]


class Notes:
    def __init__(self) -> None:
        self.started: list[Any] = []
        self.gate = asyncio.Event()

    async def __call__(self, value: Any) -> Any:
        self.started.append(value)
        await self.gate.wait()
        await asyncio.sleep(0.001)
        return value


@virtual_time
async def test_a_higher_priority_goes_first() -> None:
    notes = Notes()
    env = sage.Environment("priority")
    env.endpoint("x").map(notes, concurrency=1).reply()
    async with asking(env) as hall:
        asked = [asyncio.ensure_future(hall.ask("x", name, priority=p)) for name, p in (("a", 0), ("b", 0), ("c", 5))]
        await turns()
        notes.gate.set()
        await asyncio.gather(*asked)
        assert notes.started == ["a", "c", "b"]


@pytest.mark.parametrize("by", ["key", "fair_by"])
@virtual_time
async def test_keys_get_equal_shares(by: str) -> None:
    notes = Notes()
    env = sage.Environment("fair")
    fair_by: Any = (lambda name: name[0]) if by == "fair_by" else None
    env.endpoint("x", fair_by=fair_by).map(notes, concurrency=1).reply()
    async with asking(env) as hall:
        names = ["a0", "a1", "a2", "a3", "b0", "b1"]
        options = [{"key": name[0]} if by == "key" else {} for name in names]
        asked = [
            asyncio.ensure_future(hall.ask("x", name, **option)) for name, option in zip(names, options, strict=True)
        ]
        await turns()
        notes.gate.set()
        await asyncio.gather(*asked)
        assert notes.started[:5] in (["a0", "a1", "b0", "a2", "b1"], ["a0", "b0", "a1", "b1", "a2"])


@virtual_time
async def test_results_come_in_the_order_of_the_call_and_calls_do_not_wait_for_each_other() -> None:
    async def inverse(request: tuple[str, float]) -> tuple[str, float]:
        await asyncio.sleep(request[1])
        return request

    env = sage.Environment("order")
    env.endpoint("x").flat_map(lambda r: [(r[0], s) for s in r[1]]).map(inverse, concurrency=8).reply()
    async with asking(env) as hall:
        loop = asyncio.get_running_loop()
        slow = asyncio.ensure_future(hall.ask("x", ("slow", [9, 5, 1])))
        await turns()
        assert await hall.ask("x", ("fast", [2, 1])) == [[("fast", 2), ("fast", 1)]]
        assert loop.time() < 2.1
        assert await slow == [[("slow", 9), ("slow", 5), ("slow", 1)]]


@virtual_time
async def test_a_part_of_a_list_goes_out_when_nothing_else_is_inside() -> None:
    gate = asyncio.Event()

    async def wait(value: int) -> int:
        if value == 2:
            await gate.wait()
        return value

    env = sage.Environment("company")
    env.endpoint("n").flat_map(range).map(wait).batch(2).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("n", 3)
        assert await anext(answer) == [0, 1]
        gate.set()
        assert await read(answer) == [[2]]
