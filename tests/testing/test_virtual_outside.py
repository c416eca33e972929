"""Virtual time and threads, processes and sockets: it does not jump over what they do."""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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


@pytest.mark.parametrize("outside", WAYS_OUTSIDE)
@virtual_time
async def test_time_does_not_jump_over_a_thread(outside: Callable[..., Any]) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LONG):
        assert await outside(a_moment) == "done"
    assert loop.time() == 0.0
    await asyncio.sleep(LONG)  # and when it has ended, time jumps again
    assert loop.time() == LONG


@pytest.mark.parametrize("outside", WAYS_OUTSIDE)
@virtual_time
async def test_a_thread_is_not_a_deadlock(outside: Callable[..., Any]) -> None:
    assert await outside(a_moment) == "done"


@virtual_time
async def test_the_default_executor_is_made_once_and_can_be_chosen() -> None:
    loop = asyncio.get_running_loop()
    together = threading.Barrier(2)

    def name() -> str:
        together.wait(60)
        return threading.current_thread().name

    # Two pools would each have a first thread; one that is idle may be taken again or not.
    assert sorted(await asyncio.gather(*map(asyncio.to_thread, [name] * 2))) == ["asyncio_0", "asyncio_1"]
    chosen = ThreadPoolExecutor(1, thread_name_prefix="chosen")
    loop.set_default_executor(chosen)
    assert (await asyncio.to_thread(threading.current_thread)).name == "chosen_0"


@virtual_time
async def test_several_threads_take_no_time() -> None:
    work = [asyncio.to_thread(time.sleep, 0.001 * number) for number in range(5)]
    await asyncio.gather(*work, in_anyio_thread(a_moment))
    assert asyncio.get_running_loop().time() == 0.0


@virtual_time
async def test_a_timer_that_is_really_due_before_a_thread_ends_fires() -> None:
    go_on = threading.Event()
    asyncio.get_running_loop().call_later(0.01, go_on.set)
    assert await asyncio.to_thread(go_on.wait, 60)
    assert asyncio.get_running_loop().time() == 0.01


@virtual_time
async def test_a_thread_that_nobody_waits_for_any_more_is_still_outside() -> None:
    loop = asyncio.get_running_loop()
    go_on, begun, answered = threading.Event(), asyncio.Event(), asyncio.Event()

    def answer() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)
        time.sleep(0.02)
        loop.call_soon_threadsafe(answered.set)

    waiting = loop.run_in_executor(None, answer)
    await begun.wait()
    waiting.cancel()
    go_on.set()
    async with asyncio.timeout(LONG):
        await answered.wait()
    assert loop.time() == 0.0


@virtual_time
async def test_work_cancelled_before_it_began_is_not_outside() -> None:
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
async def test_a_thread_may_call_into_the_loop() -> None:
    def work() -> str:
        return anyio.from_thread.run(answer)

    async def answer() -> str:
        await asyncio.sleep(0)
        return "from the loop"

    async with asyncio.timeout(LONG):
        assert await anyio.to_thread.run_sync(work) == "from the loop"
    assert asyncio.get_running_loop().time() == 0.0


@virtual_time
async def test_a_plain_thread_that_ends_without_a_word_does_not_hold_time_up() -> None:
    threading.Thread(target=a_moment).start()
    await asyncio.sleep(LONG)
    assert asyncio.get_running_loop().time() == LONG


def test_a_plain_thread_that_ends_without_a_word_does_not_hide_a_deadlock() -> None:
    async def program() -> None:
        threading.Thread(target=a_moment).start()
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run(program())


@virtual_time
async def test_idle_workers_do_not_hold_time_up() -> None:
    await in_asyncio_thread(a_moment)
    await in_anyio_thread(a_moment)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(a_moment).result()
        await asyncio.sleep(LONG)
    assert asyncio.get_running_loop().time() == LONG


def test_threads_from_before_do_not_hold_time_up() -> None:
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait, args=(60,))
    thread.start()
    run(asyncio.sleep(LONG))
    go_on.set()
    thread.join()


@virtual_time
async def test_time_passes_as_it_really_does_while_a_socket_is_open() -> None:
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        loop.call_later(0.01, there.send, b"x")
        async with asyncio.timeout(LONG):
            assert await loop.sock_recv(here, 1) == b"x"
        assert loop.time() == pytest.approx(0.01, abs=1e-9)
        thread = threading.Thread(target=lambda: (a_moment(), there.send(b"y")), daemon=True)
        thread.start()
        async with asyncio.timeout(LONG):
            assert await loop.sock_recv(here, 1) == b"y"
        thread.join()
        assert loop.time() < LONG
    await asyncio.sleep(LONG)  # nothing is watched any more


@virtual_time
async def test_time_does_not_jump_over_a_process() -> None:
    async with asyncio.timeout(LONG):
        process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "")
        assert await process.wait() == 0
    assert asyncio.get_running_loop().time() < LONG
