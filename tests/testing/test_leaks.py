"""What a block leaves behind is found and named."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import pytest

from sage.testing import assert_nothing_left

on_linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed on Linux only")


@asynccontextmanager
async def left_behind(pattern: str) -> AsyncIterator[None]:
    with pytest.raises(AssertionError, match=pattern):
        async with assert_nothing_left():
            yield


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def test_nothing_is_left(tmp_path: Path) -> None:
    async with assert_nothing_left():
        await asyncio.create_task(asyncio.sleep(0))
        with socket.socket(), (tmp_path / "file").open("w"):
            pass
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()


async def test_what_was_there_before_is_not_counted(tmp_path: Path, go_on: threading.Event) -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    thread = threading.Thread(target=go_on.wait, args=(60,))
    thread.start()
    with socket.socket() as before, (tmp_path / "file").open("w"):
        async with assert_nothing_left():
            before.bind(("127.0.0.1", 0))
    go_on.set()
    thread.join()
    task.cancel()


async def test_a_task_is_named_with_the_place_where_it_waits() -> None:
    async with left_behind(r"left behind:\n  task forgotten in Event.wait \(locks.py:\d+\)$"):
        task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
        await asyncio.sleep(0)
    task.cancel()


async def test_a_task_that_was_cancelled_but_not_awaited_is_left() -> None:
    async with left_behind("task forgotten"):
        task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
        await asyncio.sleep(0)
        task.cancel()


async def test_a_thread_is_named(go_on: threading.Event) -> None:
    thread = threading.Thread(target=go_on.wait, args=(60,), name="forgotten")
    async with left_behind(r"left behind:\n  thread forgotten$"):
        thread.start()
    go_on.set()
    thread.join()


async def test_an_executor_that_was_not_shut_down_is_left() -> None:
    pool = ThreadPoolExecutor(1, thread_name_prefix="forgotten")
    async with left_behind("thread forgotten_0"):
        await asyncio.get_running_loop().run_in_executor(pool, int)
    pool.shutdown()


async def test_workers_that_are_kept_for_later_are_not_counted() -> None:
    async with assert_nothing_left():
        await asyncio.to_thread(int)
        await anyio.to_thread.run_sync(int)


async def test_a_worker_still_at_work_is_left(go_on: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    scope = anyio.CancelScope()

    def work() -> None:
        loop.call_soon_threadsafe(scope.cancel)
        go_on.wait(60)

    async with left_behind("thread AnyIO worker thread"):
        with scope:
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


async def test_daemon_threads_are_not_counted(go_on: threading.Event) -> None:
    async with assert_nothing_left():
        threading.Thread(target=go_on.wait, args=(60,), daemon=True).start()


@on_linux
async def test_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "forgotten"
    async with left_behind(rf"left behind:\n  descriptor \d+: {path}$"):
        file = path.open("w")
    file.close()


@on_linux
async def test_a_socket_is_named_with_its_address() -> None:
    async with left_behind(r"descriptor \d+: socket:\[\d+\] \('127.0.0.1', \d+\)$"):
        end = socket.socket()
        end.bind(("127.0.0.1", 0))
    end.close()


@on_linux
async def test_a_pipe_is_named() -> None:
    async with left_behind(r"descriptor \d+: pipe:\[\d+\]\n  descriptor \d+: pipe:\[\d+\]$"):
        ends = os.pipe()
    for end in ends:
        os.close(end)


@on_linux
async def test_what_has_no_name_is_not_counted() -> None:
    async with assert_nothing_left():
        number = os.eventfd(0)
    os.close(number)


@on_linux
async def test_a_descriptor_that_was_used_again_is_found(tmp_path: Path) -> None:
    before = (tmp_path / "before").open("w")
    async with left_behind(f"{tmp_path}/after$"):
        before.close()
        after = (tmp_path / "after").open("w")
        assert after.fileno() > 2
    after.close()


async def test_everything_that_is_left_is_told_at_once(go_on: threading.Event) -> None:
    thread = threading.Thread(target=go_on.wait, args=(60,), name="one more")
    async with left_behind(r"left behind:\n  task forgotten in .*\n  thread one more$"):
        task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
        thread.start()
    go_on.set()
    thread.join()
    task.cancel()


async def test_an_error_of_the_block_is_passed_on() -> None:
    tasks: list[asyncio.Task[bool]] = []
    with pytest.raises(KeyError, match="lost"):
        async with assert_nothing_left():
            tasks.append(asyncio.create_task(asyncio.Event().wait()))
            raise KeyError("lost")
    tasks[0].cancel()
