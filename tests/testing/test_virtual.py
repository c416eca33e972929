"""Virtual time: when it stands, when it jumps, and when it passes as it really does."""

import asyncio
import contextlib
import inspect
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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


async def in_asyncio_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


async def in_anyio_thread(work: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(work)


async def in_own_executor(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, work)


async def in_chosen_default_executor(work: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    return await loop.run_in_executor(None, work)


async def in_plain_thread(work: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, work()))
    thread.start()
    try:
        return await answer
    finally:
        thread.join()


async def in_marked_daemon_thread(work: Callable[[], Any]) -> Any:
    loop = virtual_loop()
    answer: asyncio.Future[Any] = loop.create_future()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, work()), daemon=True)
    thread.start()
    try:
        with loop.outside():
            return await answer
    finally:
        thread.join()


WAYS_OUTSIDE = [
    in_asyncio_thread,
    in_anyio_thread,
    in_own_executor,
    in_chosen_default_executor,
    in_plain_thread,
    in_marked_daemon_thread,
]


def a_moment() -> str:
    time.sleep(0.02)  # longer than the loop needs to find nothing else to do
    return "done"


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
        assert time.perf_counter() - start < 5

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


class TestOutside:
    @pytest.mark.parametrize("outside", WAYS_OUTSIDE)
    @virtual_time
    async def test_time_does_not_jump_over_a_thread(self, outside: Callable[..., Any]) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(LONG):
            assert await outside(a_moment) == "done"
        assert loop.time() == 0.0
        await asyncio.sleep(LONG)  # and when it has ended, time jumps again
        assert loop.time() == LONG

    @pytest.mark.parametrize("outside", WAYS_OUTSIDE)
    @virtual_time
    async def test_a_thread_is_not_a_deadlock(self, outside: Callable[..., Any]) -> None:
        assert await outside(a_moment) == "done"

    @virtual_time
    async def test_several_threads_take_no_time(self) -> None:
        work = [asyncio.to_thread(time.sleep, 0.001 * number) for number in range(5)]
        await asyncio.gather(*work, in_anyio_thread(a_moment))
        assert asyncio.get_running_loop().time() == 0.0

    @virtual_time
    async def test_a_timer_that_is_really_due_before_a_thread_ends_fires(self) -> None:
        go_on = threading.Event()
        asyncio.get_running_loop().call_later(0.01, go_on.set)
        assert await asyncio.to_thread(go_on.wait, 10)
        assert asyncio.get_running_loop().time() == 0.01

    @virtual_time
    async def test_a_thread_that_nobody_waits_for_any_more_is_still_outside(self) -> None:
        loop = asyncio.get_running_loop()
        go_on, answered = threading.Event(), asyncio.Event()

        def answer() -> None:
            go_on.wait(10)
            time.sleep(0.02)
            loop.call_soon_threadsafe(answered.set)

        waiting = loop.run_in_executor(None, answer)
        while not waiting.done():
            await asyncio.sleep(0)
            waiting.cancel()
        go_on.set()
        async with asyncio.timeout(LONG):
            await answered.wait()
        assert loop.time() == 0.0

    @virtual_time
    async def test_work_cancelled_before_it_began_is_not_outside(self) -> None:
        loop = asyncio.get_running_loop()
        go_on = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            first = loop.run_in_executor(pool, go_on.wait, 10)
            never = loop.run_in_executor(pool, pytest.fail, "it was cancelled")
            never.cancel()
            go_on.set()
            assert await first
            await asyncio.sleep(LONG)
        assert loop.time() == LONG

    @virtual_time
    async def test_a_thread_may_call_into_the_loop(self) -> None:
        def work() -> str:
            return anyio.from_thread.run(answer)

        async def answer() -> str:
            await asyncio.sleep(0)
            return "from the loop"

        async with asyncio.timeout(LONG):
            assert await anyio.to_thread.run_sync(work) == "from the loop"
        assert asyncio.get_running_loop().time() == 0.0

    @virtual_time
    async def test_a_plain_thread_that_ends_without_a_word_does_not_hold_time_up(self) -> None:
        threading.Thread(target=a_moment).start()
        await asyncio.sleep(LONG)
        assert asyncio.get_running_loop().time() == LONG

    def test_a_plain_thread_that_ends_without_a_word_does_not_hide_a_deadlock(self) -> None:
        async def program() -> None:
            threading.Thread(target=a_moment).start()
            await asyncio.Event().wait()

        with pytest.raises(DeadlockError):
            run(program())

    @virtual_time
    async def test_idle_workers_do_not_hold_time_up(self) -> None:
        await in_asyncio_thread(a_moment)
        await in_anyio_thread(a_moment)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(a_moment).result()
            await asyncio.sleep(LONG)
        assert asyncio.get_running_loop().time() == LONG

    def test_threads_from_before_do_not_hold_time_up(self) -> None:
        go_on = threading.Event()
        thread = threading.Thread(target=go_on.wait, args=(10,))
        thread.start()
        run(asyncio.sleep(LONG))
        go_on.set()
        thread.join()

    @virtual_time
    async def test_time_passes_as_it_really_does_while_a_socket_is_open(self) -> None:
        loop = asyncio.get_running_loop()
        here, there = socket.socketpair()
        with here, there:
            here.setblocking(False)
            thread = threading.Thread(target=lambda: (a_moment(), there.send(b"x")), daemon=True)
            thread.start()
            async with asyncio.timeout(LONG):
                assert await loop.sock_recv(here, 1) == b"x"
            thread.join()
            assert 0.01 < loop.time() < LONG
            before = loop.time()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await loop.sock_recv(here, 1)
            assert loop.time() == pytest.approx(before + 0.01)
        await asyncio.sleep(LONG)  # nothing is watched any more

    @virtual_time
    async def test_time_does_not_jump_over_a_process(self) -> None:
        with contextlib.suppress(NotImplementedError):
            async with asyncio.timeout(LONG):
                process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "")
                assert await process.wait() == 0
        assert asyncio.get_running_loop().time() < LONG


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
        async def ticks() -> AsyncIterator[int]:
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
            await in_asyncio_thread(a_moment)
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
