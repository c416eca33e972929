"""The outlet between a source that produces on its own and its runner."""

import asyncio

from sage.operators.source import Outlet


class Told:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def outlet(limit: int = 3, budget: float = float("inf")) -> tuple[Outlet[int], Told]:
    told = Told()
    return Outlet(limit, budget, told), told


async def test_records_come_out_in_order_and_once() -> None:
    out, _ = outlet()
    out.put(1)
    out.put_all([2, 3])
    assert len(out) == 3
    assert out.take() == [1, 2, 3]
    assert out.take() == []


async def test_the_runner_is_told_of_the_first_record_only() -> None:
    out, told = outlet()
    out.put(1)
    out.put(2)
    out.put_all([3])
    assert told.times == 1
    out.take()
    out.put_all([4, 5])
    assert told.times == 2


async def test_nothing_is_told_of_no_records() -> None:
    out, told = outlet()
    out.put_all([])
    assert told.times == 0


async def test_a_full_outlet_asks_to_wait() -> None:
    out, _ = outlet(limit=3)
    assert [out.put(number) for number in range(4)] == [True, True, False, False]


async def test_a_producer_asks_for_room_when_its_time_is_used_up() -> None:
    out, _ = outlet(budget=-1)
    assert out.put(1) is True  # the time counts from the first record of a turn
    assert out.put(2) is False
    await out.room()  # there is room: it gives way only
    assert out.take() == [1, 2]


async def test_room_comes_when_records_are_taken() -> None:
    out, _ = outlet(limit=2)
    out.put_all([1, 2, 3])
    waiting = asyncio.create_task(out.room())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert out.take() == [1, 2, 3]
    await waiting


async def test_a_producer_that_is_cancelled_loses_nothing() -> None:
    out, _ = outlet(limit=1)
    out.put(1)
    waiting = asyncio.create_task(out.room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert out.take() == [1]
    await asyncio.wait_for(out.room(), 60)


async def test_room_gives_way_to_others() -> None:
    out, _ = outlet()
    turns: list[str] = []
    other = asyncio.create_task(_note(turns))
    await out.room()
    assert turns == ["other"]
    await other


async def _note(turns: list[str]) -> None:
    turns.append("other")
