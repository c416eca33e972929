"""Many deadlines, one timer."""

import asyncio

from sage.testing import virtual_time
from sage.transports.rpc.deadlines import Deadlines
from tests.transports.rpc.served import until


class Clock:
    """Things that are alive, and in which order they expired."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.expired: list[str] = []
        self.deadlines = Deadlines(self.alive, self.expire)
        self.loop = asyncio.get_running_loop()

    def add(self, key: str, seconds: float) -> None:
        self.alive.add(key)
        self.deadlines.add(self.loop.time() + seconds, key)

    def expire(self, key: str) -> None:
        self.alive.discard(key)
        self.expired.append(key)


@virtual_time
async def test_they_expire_in_order_whatever_the_order_they_came_in() -> None:
    clock = Clock()
    for key, seconds in (("c", 0.03), ("a", 0.01), ("b", 0.02)):
        clock.add(key, seconds)
    await until(lambda: len(clock.expired) == 3)
    assert clock.expired == ["a", "b", "c"]
    assert not len(clock.deadlines)


@virtual_time
async def test_what_is_done_does_not_expire() -> None:
    clock = Clock()
    clock.add("done", 0.005)
    clock.add("late", 0.01)
    clock.alive.discard("done")
    await until(lambda: len(clock.expired) == 1)
    assert clock.expired == ["late"]


@virtual_time
async def test_what_is_done_is_forgotten_long_before_its_deadline() -> None:
    clock = Clock()
    clock.add("open", 3600)
    for number in range(10_000):
        clock.add(str(number), 3600)
        clock.alive.discard(str(number))
    assert len(clock.deadlines) <= 2048
    clock.deadlines.close()


@virtual_time
async def test_one_that_is_close_goes_before_one_that_is_far() -> None:
    clock = Clock()
    clock.add("far", 3600)
    clock.add("close", 0.001)
    await until(lambda: len(clock.expired) == 1)
    assert clock.expired == ["close"]
    assert clock.alive == {"far"}
    clock.deadlines.close()


@virtual_time
async def test_nothing_expires_once_it_is_closed() -> None:
    clock = Clock()
    clock.add("a", 0.001)
    clock.deadlines.close()
    await asyncio.sleep(0.003)
    assert clock.expired == []
