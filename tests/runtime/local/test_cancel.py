"""Cancelling a job, wherever it is: it stops, closes everything and leaves nothing behind."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sage
from sage.testing import PlainEngine, assert_nothing_left, virtual_time
from tests.runtime.local.recording import Recorder, RecordingSource, turns

Program = Callable[[sage.Environment, list[str]], Any]


async def _never(value: Any) -> Any:
    await asyncio.sleep(1_000_000)
    return value


class Opening(Recorder):
    async def open(self, context: Any) -> None:
        self.write("open")
        await asyncio.sleep(1_000_000)


async def _endless() -> AsyncIterator[Any]:
    number = 0
    while True:
        yield number
        await asyncio.sleep(0.01)
        number += 1


async def _silent() -> AsyncIterator[Any]:
    await asyncio.sleep(1_000_000)
    yield 1


def _failing(value: Any) -> Any:
    raise OSError("again")


def _in_open(env: sage.Environment, log: list[str]) -> None:
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(Opening(log, "b")).sink(print)


def _in_an_async_function(env: sage.Environment, log: list[str]) -> None:
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(_never).map(Recorder(log, "b")).sink(print)


def _in_an_unordered_function(env: sage.Environment, log: list[str]) -> None:
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(_never, ordered=False).sink(print)


def _in_a_generator(env: sage.Environment, log: list[str]) -> None:
    async def many(value: Any) -> AsyncIterator[Any]:
        try:
            yield value
            await asyncio.sleep(1_000_000)
        finally:
            log.append("close generator")

    env.from_iterable([1]).map(Recorder(log, "a")).flat_map(many).sink(lambda _: log.append("open generator"))


def _while_it_waits_for_room(env: sage.Environment, log: list[str]) -> None:
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(Recorder(log, "b")).sink(_never)


def _while_it_is_busy(env: sage.Environment, log: list[str]) -> None:
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(Recorder(log, "b")).sink(lambda _: None)


def _while_it_waits_to_retry(env: sage.Environment, log: list[str]) -> None:
    retry = sage.Retry(attempts=3, delay=1_000_000, max_delay=1_000_000)
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(_failing, on_error=retry).sink(print)


def _while_a_call_waits_to_be_retried(env: sage.Environment, log: list[str]) -> None:
    async def failing(value: Any) -> Any:
        raise OSError("again")

    retry = sage.Retry(attempts=3, delay=1_000_000, max_delay=1_000_000)
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(failing, on_error=retry).sink(print)


def _while_the_source_is_silent(env: sage.Environment, log: list[str]) -> None:
    env.from_iterable(_silent()).map(Recorder(log, "a")).sink(print)


def _while_the_source_ticks(env: sage.Environment, log: list[str]) -> None:
    env.from_iterable(_endless()).map(Recorder(log, "a")).batch(100, 1_000).sink(print)


def _inside_a_loop(env: sage.Environment, log: list[str]) -> None:
    loop = env.feedback()
    again = env.from_iterable([1]).union(loop.stream).map(Recorder(log, "a"), parallelism=2)
    loop.close(again)
    again.sink(lambda _: None)


PROGRAMS = [
    _in_open,
    _in_an_async_function,
    _in_an_unordered_function,
    _in_a_generator,
    _while_it_waits_for_room,
    _while_it_is_busy,
    _while_it_waits_to_retry,
    _while_a_call_waits_to_be_retried,
    _while_the_source_is_silent,
    _while_the_source_ticks,
    _inside_a_loop,
]


def closes_what_it_opened(log: list[str]) -> bool:
    return {name: log.count(f"open {name}") for name in ("source", "a", "b", "generator")} == {
        name: log.count(f"close {name}") for name in ("source", "a", "b", "generator")
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__.strip("_"))
@virtual_time
async def test_cancelled_anywhere_it_closes_all_and_leaves_nothing(program: Program) -> None:
    log: list[str] = []
    env = sage.Environment("cancelled", channel_capacity=8, batch_size=4)
    program(env, log)
    async with assert_nothing_left(), env.start() as job:
        await turns()
        assert job.status == "running"
        await job.cancel()
        assert job.status == "cancelled"
        assert job.duration < 30
    assert closes_what_it_opened(log), log
    with pytest.raises(sage.JobCancelled, match="job 'cancelled'"):
        await job.wait()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__.strip("_"))
@virtual_time
async def test_leaving_the_block_or_cancelling_run_does_the_same(program: Program) -> None:
    for leave in (True, False):
        log: list[str] = []
        env = sage.Environment("left")
        program(env, log)
        async with assert_nothing_left():
            if leave:
                async with env.start():
                    await turns()
            else:
                running = asyncio.create_task(env.run())
                await turns()
                running.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await running
        assert closes_what_it_opened(log), log


@virtual_time
async def test_a_slow_close_is_waited_for_however_often_it_is_cancelled() -> None:
    class Slow(Recorder):
        async def close(self) -> None:
            await asyncio.sleep(10)
            self.write("close")

    log: list[str] = []
    env = sage.Environment("slow")
    env.from_iterable(_silent()).map(Slow(log, "a")).sink(print)
    async with assert_nothing_left():
        job = env.submit()
        await asyncio.sleep(1)
        impatient = [asyncio.create_task(job.cancel()) for _ in range(3)]
        await asyncio.sleep(5)
        assert job.status == "running"
        await asyncio.gather(*impatient)
    assert job.status == "cancelled"
    assert log == ["open a", "close a"]


@virtual_time
async def test_whoever_gives_up_cancelling_has_cancelled_all_the_same() -> None:
    log: list[str] = []
    env = sage.Environment("given up")
    env.from_iterable(_silent()).map(Recorder(log, "a")).sink(print)
    job = env.submit()
    await asyncio.sleep(1)
    cancelling = asyncio.create_task(job.cancel())
    await asyncio.sleep(0)
    cancelling.cancel()
    with pytest.raises(sage.JobCancelled):
        await job.wait()
    assert log == ["open a", "close a"]


async def test_a_function_that_blocks_is_waited_for() -> None:
    begun, released = threading.Event(), threading.Event()
    ended: list[Any] = []

    def block(value: Any) -> Any:
        begun.set()
        released.wait(60)
        ended.append(value)
        return value

    env = sage.Environment("blocked")
    env.from_iterable([1, 2]).map(block, blocking=True, concurrency=1).sink(print)
    async with assert_nothing_left():
        job = env.submit()
        await asyncio.to_thread(begun.wait, 30)
        cancelling = asyncio.create_task(job.cancel())
        await asyncio.sleep(0)
        assert not cancelling.done()
        released.set()
        await cancelling
    assert job.status == "cancelled"
    assert ended == [1]


@pytest.mark.parametrize("how", ["cancel", "drain"])
@pytest.mark.parametrize("engine", [None, PlainEngine()], ids=["local", "plain"])
async def test_a_function_that_blocks_may_ask_whether_to_stop(how: str, engine: PlainEngine | None) -> None:
    begun, never = threading.Event(), threading.Event()
    stopped: list[int] = []

    def block(value: int) -> int:
        begun.set()
        for _ in range(30_000):
            if sage.context().should_stop:
                stopped.append(value)
                return value
            never.wait(0.001)
        raise TimeoutError("nobody told it to stop")

    async def one() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(1_000)

    env = sage.Environment("stopping", engine=engine)
    env.from_iterable(one).map(block, blocking=True).sink(lambda value: None)
    async with assert_nothing_left(), env.start() as job:
        await asyncio.to_thread(begun.wait, 30)
        await getattr(job, how)()
    assert stopped == [1]


@virtual_time
async def test_to_cancel_a_job_that_has_ended_is_harmless() -> None:
    env = sage.Environment("ended")
    env.from_iterable([1]).sink(lambda _: None)
    job = env.submit()
    await job.wait()
    await job.cancel()
    await job.cancel()
    assert job.status == "finished"


@virtual_time
async def test_a_job_that_is_cancelled_before_its_first_turn_is_cancelled() -> None:
    env = sage.Environment("early")
    env.from_iterable([1]).sink(print)
    job = env.submit()
    await job.cancel()
    assert job.status == "cancelled"
    with pytest.raises(sage.JobCancelled):
        await job.wait()


@virtual_time
async def test_a_block_that_is_left_at_once_has_a_cancelled_job() -> None:
    env = sage.Environment("left")
    env.from_iterable([1]).sink(print)
    async with env.start() as job:
        pass
    assert job.status == "cancelled"


class Awaiting(sage.MapFunction[Any, Any]):
    """Awaits a task that was cancelled, in `where`."""

    def __init__(self, where: str) -> None:
        self.where = where

    async def cancelled(self, where: str) -> None:
        if where == self.where:
            stopped = asyncio.ensure_future(asyncio.sleep(1))
            stopped.cancel()
            await stopped

    async def open(self, context: Any) -> None:
        await self.cancelled("open")

    async def map(self, value: Any) -> Any:
        await self.cancelled("map")
        return value

    async def close(self) -> None:
        await self.cancelled("close")


@pytest.mark.parametrize("where", ["open", "map", "close"])
@virtual_time
async def test_a_function_that_awaits_something_cancelled_has_failed(where: str) -> None:
    env = sage.Environment("inner")
    env.from_iterable([1, 2]).map(Awaiting(where), name="awaiting").sink(lambda _: None)
    with pytest.raises(sage.JobFailed, match=r"operator 'awaiting' failed.*CancelledError"):
        await env.run()


@virtual_time
async def test_a_task_that_is_cancelled_alone_has_failed() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(1_000)

    env = sage.Environment("alone")
    env.from_iterable(source).map(str, name="one").sink(lambda value: None)
    async with assert_nothing_left():
        job = env.submit()
        await asyncio.sleep(1)
        (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "alone: one"]
        task.cancel()
        with pytest.raises(sage.JobFailed, match="operator 'one' failed: CancelledError"):
            await asyncio.wait_for(job.wait(), 10)
    assert job.status == "failed"


@virtual_time
async def test_a_plain_function_that_raises_a_cancellation_has_failed() -> None:
    def raising(value: Any) -> Any:
        raise asyncio.CancelledError

    env = sage.Environment("inner")
    env.from_iterable([1, 2]).map(raising, name="raising").sink(lambda _: None)
    with pytest.raises(sage.JobFailed, match=r"operator 'raising' failed.*CancelledError"):
        await env.run()


@virtual_time
async def test_a_source_that_awaits_something_cancelled_has_failed() -> None:
    async def source() -> AsyncIterator[Any]:
        yield 1
        stopped = asyncio.ensure_future(asyncio.sleep(1))
        stopped.cancel()
        await stopped
        yield 2

    out: list[int] = []
    env = sage.Environment("inner")
    env.from_iterable(source(), name="source").sink(out.append)
    with pytest.raises(sage.JobFailed, match=r"operator 'source' failed.*CancelledError"):
        await env.run()
    assert out in ([], [1])


async def test_a_source_that_swallows_its_cancellation_ends_where_it_hands_over() -> None:
    closed = []

    async def deaf() -> AsyncIterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
        finally:
            closed.append(number)

    env = sage.Environment("deaf")
    assert await env.from_iterable(deaf).take(2).to_list() == [0, 1]
    assert len(closed) == 1
    async with sage.Environment("deaf").from_iterable(deaf).open() as records:
        assert await anext(aiter(records)) == 0
    assert len(closed) == 2
