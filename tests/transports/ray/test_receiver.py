"""How much a receiving end asks for, on virtual time and without Ray."""

import asyncio
from typing import Any, cast

import pytest

from sage.testing import virtual_time
from sage.transports.codec import Codec, FrameWriter
from sage.transports.ray import RayReceiver
from sage.transports.ray.line import Line, LineEvents
from sage.transports.ray.parcels import Parcel
from sage.transports.ray.standing import Board


class DistantQueue:
    """Stands for a line: what is asked for comes after a while, and there is always more."""

    def __init__(self, away: float) -> None:
        self.away = away
        self.board = Board()
        self.asked: list[int] = []
        self._down = asyncio.Event()

    def start(self, events: LineEvents) -> None:
        self.events = events

    def post(self, name: str, *numbers: int, **_: Any) -> None:
        if name == "want":
            (count,) = numbers
            self.asked.append(count)
            asyncio.get_running_loop().call_later(self.away, self._deliver, count)

    def close(self) -> None:
        self._down.set()

    async def closed(self) -> None:
        await self._down.wait()

    def _deliver(self, count: int) -> None:
        frames = []
        for number in range(count):
            writer = FrameWriter(Codec())
            writer.put(number)
            frames.append((Parcel.of(writer.take()), 1))
        self.events.heard(("delivered", frames))


async def takes(away: float, each: float, count: int) -> list[int]:
    """Take so many items from a queue that is so far away, with so many seconds for each; return what was asked for."""
    line = DistantQueue(away)
    receiver: RayReceiver[int] = RayReceiver("orders", "ray://sage/orders", 4096, cast(Line, line), Codec())
    for _ in range(count):
        await receiver.receive()
        if each:
            await asyncio.sleep(each)
    await receiver.aclose()
    return line.asked


@virtual_time
@pytest.mark.parametrize("away", [0.001, 0.019, 0.021, 0.3])
async def test_a_quick_reader_is_not_held_up_by_the_way_however_far_the_queue_is(away: float) -> None:
    asked = await takes(away, 0, 1000)
    assert len(asked) < 20


@virtual_time
@pytest.mark.parametrize("away", [0.001, 0.3])
async def test_one_that_is_slow_with_each_keeps_none_from_the_others(away: float) -> None:
    asked = await takes(away, 1.0, 20)
    assert set(asked[1:]) == {1}  # at first it is not known how slow it is
