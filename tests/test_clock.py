"""Processing time by the running event loop."""

import asyncio
import time

import pytest

from sage.clock import Clock, LoopClock
from sage.testing import virtual_time


def test_it_needs_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        LoopClock()


async def test_it_starts_with_the_wall_clock() -> None:
    assert LoopClock().now() == pytest.approx(time.time(), abs=60)


@virtual_time
async def test_it_follows_the_time_of_the_loop() -> None:
    clock: Clock = LoopClock()
    start = clock.now()
    assert clock.now() == start
    await asyncio.sleep(3600)
    assert clock.now() == start + 3600


@virtual_time
async def test_it_does_not_follow_a_correction_of_the_wall_clock() -> None:
    clock = LoopClock()
    start = clock.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 0.0)
        assert clock.now() == start


@virtual_time
async def test_a_timer_is_called_when_now_has_reached_its_time() -> None:
    clock = LoopClock()
    start = clock.now()
    seen: list[float] = []
    for delay in (20.0, 0.1, 10.0, 1e-6):
        clock.call_at(start + delay, lambda: seen.append(clock.now()))
    await asyncio.sleep(30)
    assert seen == [start + delay for delay in (1e-6, 0.1, 10.0, 20.0)]


@virtual_time
async def test_a_timer_whose_time_has_passed_is_called_at_once() -> None:
    clock = LoopClock()
    due = asyncio.Event()
    clock.call_at(clock.now() - 5, due.set)
    start = clock.now()
    await due.wait()
    assert clock.now() == start


@virtual_time
async def test_a_cancelled_timer_is_forgotten() -> None:
    clock = LoopClock()
    seen: list[str] = []
    cancelled = clock.call_at(clock.now() + 1, lambda: seen.append("cancelled"))
    done = clock.call_at(clock.now() + 1, lambda: seen.append("done"))
    cancelled.cancel()
    await asyncio.sleep(2)
    done.cancel()  # harmless
    assert seen == ["done"]
