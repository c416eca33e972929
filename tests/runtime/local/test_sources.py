"""Sources in a running job: records go on as they come, in order, and no further than there is room."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import sage
from sage.testing import virtual_time
from tests.runtime.local.recording import turns


def with_gaps(pattern: int) -> Callable[[], AsyncIterator[int]]:
    """A source that waits some turns of the loop before each record: as the digits of `pattern`, of base 4, say."""

    async def source() -> AsyncIterator[int]:
        for number in range(12):
            await turns((pattern >> (2 * (number % 3))) % 4)
            yield number

    return source


@virtual_time
async def test_an_async_source_keeps_its_order_where_there_is_hardly_room() -> None:
    for pattern in range(64):
        env = sage.Environment(f"gaps {pattern}", channel_capacity=1)
        assert await env.from_iterable(with_gaps(pattern)).to_list() == list(range(12))


@pytest.mark.parametrize("capacity", [1, 2, 5, 1024])
@virtual_time
async def test_sources_of_every_kind_give_all_they_have_in_order(capacity: int) -> None:
    async def ticking() -> AsyncIterator[int]:
        for number in range(50):
            await asyncio.sleep(1)
            yield number

    def plain() -> Iterator[int]:
        yield from range(50)

    sources: list[Any] = [list(range(50)), range(50), plain, plain(), iter(range(50)), ticking, ticking()]
    for source in sources:
        env = sage.Environment("kinds", channel_capacity=capacity)
        assert await env.from_iterable(source).map(lambda value: value).to_list() == list(range(50))


@virtual_time
async def test_a_record_goes_on_at_once() -> None:
    begun = asyncio.get_running_loop().time()
    arrived: list[tuple[int, float]] = []

    async def ticking() -> AsyncIterator[int]:
        for number in range(5):
            await asyncio.sleep(1)
            yield number

    env = sage.Environment("at once")
    stream = env.from_iterable(ticking()).map(lambda value: value).filter(lambda _: True)
    stream.sink(lambda value: arrived.append((value, asyncio.get_running_loop().time() - begun)))
    await env.run()
    assert arrived == [(number, number + 1.0) for number in range(5)]


@pytest.mark.parametrize("kind", ["plain", "async"])
@virtual_time
async def test_a_source_does_not_run_ahead(kind: str) -> None:
    made = done = furthest = 0

    def plain() -> Iterator[int]:
        nonlocal made
        for number in range(500):
            made += 1
            yield number

    async def awaiting() -> AsyncIterator[int]:
        for number in plain():
            yield number

    async def slow(value: int) -> None:
        nonlocal done, furthest
        furthest = max(furthest, made - done)
        await asyncio.sleep(1)
        done += 1

    env = sage.Environment("ahead", channel_capacity=8, batch_size=4)
    env.from_iterable(plain if kind == "plain" else awaiting).map(lambda value: value).sink(slow)
    await env.run()
    assert done == 500
    # Two channels, and what each of the three holds in hand: one batch and the one that it would like to send.
    assert furthest <= 2 * 8 + 3 * 2 * 4


@virtual_time
async def test_a_source_that_opens_and_closes_is_told_when() -> None:
    told: list[str] = []

    class Told(sage.SourceFunction[int]):
        async def open(self, context: Any) -> None:
            told.append(f"open {context.name}")

        async def run(self) -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                told.append("ended")

        async def close(self) -> None:
            told.append("close")

    env = sage.Environment("told")
    assert await env.from_source(Told, name="told").to_list() == [1]
    assert told == ["open told", "ended", "close"]
