"""Virtual time: when it stands, when it jumps, and when it passes as it really does."""

import asyncio
import contextlib
import inspect
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from sage.testing import DeadlockError, VirtualLoop, run, virtual_time

# Far longer than any test takes: it is over at once or the test hangs.
LONG = 3600.0


def virtual_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


class TestTime:
    def test_it_starts_at_zero_and_jumps_to_the_next_timer(self) -> None:
        async def program() -> list[float]:
            loop = asyncio.get_running_loop()
            times = [loop.time()]
            for seconds in (LONG, 0.25, 7 * 86_400):
                await asyncio.sleep(seconds)
                times.append(loop.time())
            return times

        start = time.perf_counter()
        assert run(program()) == [0.0, 3600.0, 3600.25, 3600.25 + 7 * 86_400]
        assert time.perf_counter() - start < 600

    @virtual_time
    async def test_it_stands_still_while_something_is_ready(self) -> None:
        loop = asyncio.get_running_loop()
        early = loop.call_later(0.001, lambda: pytest.fail("time went on"))
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert loop.time() == 0.0
        early.cancel()

    @virtual_time
    async def test_timers_are_due_in_order_each_at_its_time(self) -> None:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, float]] = []
        delays = [5.0, 0.5, 0.5 + 1e-7, 86_400.0 * 40, 1e-9]
        for delay in delays:
            loop.call_later(delay, lambda delay=delay: seen.append((delay, loop.time())))  # type: ignore[misc]
        await asyncio.sleep(86_400 * 41)
        assert seen == [(delay, delay) for delay in sorted(delays)]

    @virtual_time
    async def test_tasks_that_sleep_beside_each_other_share_the_time(self) -> None:
        async with asyncio.TaskGroup() as group:
            for seconds in (10, 30, 20):
                group.create_task(asyncio.sleep(seconds))
        assert asyncio.get_running_loop().time() == 30

    @virtual_time
    async def test_timers_work_after_centuries(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(20):
            loop.call_later(86_400 * 365 * 20, lambda: None)
        loop._pass(86_400 * 365 * 500)  # type: ignore[attr-defined]  # by sleeping it takes a jump for each day
        start = loop.time()
        await asyncio.sleep(0.1)
        await asyncio.sleep(10)
        due = asyncio.Event()
        loop.call_at(loop.time(), due.set)
        await due.wait()
        assert start + 10 < loop.time() < start + 11

    @virtual_time
    async def test_timeouts_of_asyncio_and_anyio_work(self) -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await asyncio.Event().wait()
        with anyio.move_on_after(LONG) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert loop.time() == 2 * LONG

    async def a_tick_every_hour(self) -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(LONG)
            yield number

    @virtual_time
    async def test_asynchronous_generators(self) -> None:
        assert [number async for number in self.a_tick_every_hour()] == [0, 1, 2]


class TestDeadlock:
    def test_it_tells_who_waits_where(self) -> None:
        async def fetch(event: asyncio.Event) -> None:
            await event.wait()

        async def program() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(fetch(asyncio.Event()), name="fetcher")

        with pytest.raises(DeadlockError) as caught:
            run(program())
        message = str(caught.value)
        file = os.path.basename(__file__)
        line = inspect.getsourcelines(fetch)[1] + 1
        assert message.startswith("everything waits and no timer is set:\n")
        assert f"fetcher in {fetch.__qualname__} ({file}:{line}) > Event.wait (locks.py:" in message
        assert f" in {program.__qualname__} ({file}:" in message
        assert "wait inside `with loop.outside():`" in message

    def test_it_follows_generators(self) -> None:
        async def ticks() -> AsyncGenerator[int, None]:
            await asyncio.Event().wait()
            yield 1

        async def program() -> None:
            async with contextlib.aclosing(ticks()) as source:
                async for _ in source:
                    pass

        with pytest.raises(DeadlockError, match=r"program \(test_virtual.py:\d+\)"):
            run(program())

    def test_the_tasks_are_cancelled_and_cleaned_up(self) -> None:
        cleaned: list[str] = []

        async def program() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(LONG)
                cleaned.append("up")

        with pytest.raises(DeadlockError):
            run(program())
        assert cleaned == ["up"]

    @virtual_time
    async def test_somebody_outside_who_is_told_of_is_not_a_deadlock(self) -> None:
        loop = virtual_loop()
        answered = asyncio.Event()
        with loop.outside(), loop.outside():
            thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answered.set), daemon=True)
            thread.start()
            await answered.wait()
        thread.join()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LONG):
                await asyncio.Event().wait()


class TestRun:
    def test_it_returns_the_result_and_passes_errors_on(self) -> None:
        async def program(text: str) -> int:
            await asyncio.sleep(1)
            return int(text)

        assert run(program("7")) == 7
        with pytest.raises(ValueError, match="seven"):
            run(program("seven"))

    async def test_it_is_refused_inside_of_a_loop(self) -> None:
        with pytest.raises(RuntimeError, match="call it from a plain function"):
            run(asyncio.sleep(1))

    def test_it_runs_in_debug_mode(self) -> None:
        async def program() -> bool:
            await asyncio.to_thread(time.sleep, 0.01)
            await asyncio.sleep(LONG)
            return asyncio.get_running_loop().get_debug()

        assert run(program(), debug=True)

    def test_it_runs_in_another_thread(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(run, asyncio.sleep(LONG, "result")).result() == "result"

    def test_the_loop_is_a_factory_for_runners(self) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(asyncio.sleep(LONG))
            assert runner.get_loop().time() == LONG

    def test_decorating_keeps_the_name_and_the_arguments(self) -> None:
        @virtual_time
        async def check_something(value: int) -> int:
            return value + 1

        assert check_something.__name__ == "check_something"
        assert not inspect.iscoroutinefunction(check_something)
        assert check_something(value=1) == 2
