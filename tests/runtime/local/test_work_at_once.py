"""Idle operators work on a batch in the stretch of whoever sends it; busy ones get it by their channel."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

import sage
from sage.runtime.stretch import Stretch


class Turns:
    """Counts the turns of the event loop, and gives records when it is told to."""

    def __init__(self) -> None:
        self.number = 0
        self._next: asyncio.Queue[Any] = asyncio.Queue()

    async def count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.number += 1

    def give(self, *values: Any) -> None:
        for value in values:
            self._next.put_nowait(value)

    async def records(self) -> AsyncIterator[Any]:
        while (value := await self._next.get()) is not None:
            yield value


async def test_a_record_runs_through_idle_operators_in_one_turn() -> None:
    turns, seen = Turns(), list[int]()

    def look(value: int) -> int:
        seen.append(turns.number)
        return value

    env = sage.Environment("at once", budget=60)  # a machine that stands still for a while does not end the turn
    env.from_iterable(turns.records).map(look).filter(look).flat_map(lambda v: [v]).map(look).sink(look)
    async with env.start() as job:
        counting = asyncio.create_task(turns.count())
        turns.give(1)
        while len(seen) < 4:
            await asyncio.sleep(0)
        counting.cancel()
        turns.give(None)
        result = await job.wait()
    assert len(set(seen)) == 1
    assert [(done.records_in, done.records_out) for done in result.operators.values()] == [
        (0, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 0)
    ]  # fmt: skip


async def test_a_deep_program_goes_on_by_its_channels() -> None:
    env = sage.Environment("deep")
    stream = env.from_iterable(range(10))
    for _ in range(300):
        stream = stream.map(lambda value: value + 1)
    assert await stream.to_list() == list(range(300, 310))


async def test_each_function_has_the_surroundings_of_its_own_operator() -> None:
    mine: ContextVar[str] = ContextVar("mine", default="unset")
    found: list[tuple[str, str]] = []

    def look(value: int) -> int:
        found.append((sage.context().name, mine.get()))
        mine.set(sage.context().name)
        return value

    env = sage.Environment("surroundings")
    env.from_iterable([1, 2]).map(look, name="first").map(look, name="second").sink(look, name="third")
    await env.run()
    assert {name for name, _ in found} == {"first", "second", "third"}
    assert all(value in ("unset", name) for name, value in found)
    assert mine.get() == "unset"


async def test_a_failure_is_the_operators_that_failed_and_not_the_senders() -> None:
    def fail(value: int) -> int:
        raise ValueError("no")

    env = sage.Environment("failing")
    env.from_iterable([1]).map(lambda value: value, name="before").map(fail, name="culprit").sink(print, name="after")
    with pytest.raises(sage.JobFailed, match="operator 'culprit' failed on record 1: ValueError: no"):
        await env.run()


async def test_what_is_not_sent_at_once_is_sent_by_the_operators_own_task() -> None:
    """A generator whose results have no room, and a pause in the middle, are left to the task."""
    out: list[int] = []

    async def slow(value: int) -> None:
        await asyncio.sleep(0)
        out.append(value)

    env = sage.Environment("left over", channel_capacity=2, batch_size=2)
    env.from_iterable(range(3)).flat_map(lambda value: range(10 * value, 10 * value + 10)).throttle(1e6).sink(slow)
    await env.run()
    assert out == list(range(30))


async def test_take_ends_what_is_upstream_although_it_never_had_a_turn() -> None:
    env = sage.Environment("taking")
    assert await env.from_iterable(iter(range(10**9))).map(lambda value: value).take(5).to_list() == [0, 1, 2, 3, 4]


async def test_an_operator_that_took_its_share_of_time_is_the_last_in_the_stretch(monkeypatch: Any) -> None:
    now = [0.0]
    for module in ("operator_task", "metrics", "task", "stretch"):
        monkeypatch.setattr(f"sage.runtime.{module}.perf_counter", lambda: now[0])
    turns, seen = Turns(), list[int]()

    def long(value: int) -> int:
        seen.append(turns.number)
        now[0] += 1.0
        return value

    env = sage.Environment("slow")
    env.from_iterable(turns.records).map(long).map(long).sink(long)
    async with env.start() as job:
        counting = asyncio.create_task(turns.count())
        turns.give(1, None)
        result = await job.wait()
        counting.cancel()
    assert len(set(seen)) == 3
    busy = [done.busy for name, done in result.operators.items() if name != "from_iterable(records)"]
    assert busy == [1.0, 1.0, 1.0]


def test_a_stretch_begins_anew() -> None:
    stretch = Stretch(5.0)
    stretch.inner = 3.0
    stretch.begin()
    assert stretch.inner == 0
    assert stretch.ends > 5
