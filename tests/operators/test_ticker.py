"""Ticks, in an event loop whose time jumps to the next timer when nothing else is to do."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.ticker import Ticker
from tests.operators.reading import Reading, reading


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: the time that it would have waited has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self.now += max(timeout, 0)
        return ready


def run(main: Coroutine[Any, Any, None]) -> None:
    selector = JumpingSelector()

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(selector)
        loop.time = lambda: selector.now  # type: ignore[method-assign]  # time of its own
        return loop

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main)


async def ticks(read: Reading, number: int) -> list[tuple[float, int]]:
    """The next ticks, each with the time at which it came."""
    found: list[tuple[float, int]] = []
    while len(found) < number:
        batch = await read.batch()
        found += [(round(asyncio.get_running_loop().time(), 6), tick) for tick in batch]
    return found


def test_the_first_tick_comes_at_once_and_the_others_on_time() -> None:
    async def main() -> None:
        async with reading(Ticker(0.1)) as read:
            assert await ticks(read, 4) == [(0, 0), (0.1, 1), (0.2, 2), (0.3, 3)]

    run(main())


def test_lateness_does_not_add_up() -> None:
    async def main() -> None:
        async with reading(Ticker(1)) as read:
            assert await ticks(read, 1) == [(0, 0)]
            await asyncio.sleep(2.5)
            assert await ticks(read, 3) == [(2.5, 1), (2.5, 2), (3, 3)]

    run(main())


def test_no_tick_is_left_out_when_there_is_no_room() -> None:
    async def main() -> None:
        async with reading(Ticker(1), batch_size=2) as read:
            read.start()
            await asyncio.sleep(9.5)
            assert len(read.outlet) == 2
            assert await ticks(read, 2) == [(9.5, 0), (9.5, 1)]
            assert [tick for _, tick in await ticks(read, 9)] == list(range(2, 11))
            assert asyncio.get_running_loop().time() == pytest.approx(10)

    run(main())


def test_so_many_ticks_then_the_end() -> None:
    async def main() -> None:
        async with reading(Ticker(1, count=3)) as read:
            assert await read.values() == [0, 1, 2]
            assert asyncio.get_running_loop().time() == 2
        async with reading(Ticker(1, count=0)) as read:
            assert await read.values() == []

    run(main())


@pytest.mark.parametrize(("interval", "count"), [(0, None), (-1, None), (1, -1)])
def test_mistakes_are_refused(interval: float, count: int | None) -> None:
    with pytest.raises(InvalidOperator, match="ticker: "):
        Ticker(interval, count)
