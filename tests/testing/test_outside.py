"""What counts as being under way outside of a loop, where only exact timing could tell in a whole program."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from sage.testing.outside import Outside, Recorder


async def test_work_counts_until_its_thread_has_finished_and_its_result_has_arrived() -> None:
    loop = asyncio.get_running_loop()
    outside = Outside(loop)
    result: asyncio.Future[None] = loop.create_future()
    work: Future[None] = Future()
    outside.add(result, work)
    assert outside.is_busy()
    work.set_result(None)
    assert outside.is_busy(), "the result is on its way"
    result.set_result(None)
    assert not outside.is_busy()


async def test_work_whose_result_nobody_wants_counts_until_its_thread_has_finished() -> None:
    loop = asyncio.get_running_loop()
    outside = Outside(loop)
    result: asyncio.Future[None] = loop.create_future()
    work: Future[None] = Future()
    outside.add(result, work)
    result.cancel()
    assert outside.is_busy()
    work.set_result(None)
    assert not outside.is_busy()


def test_work_may_finish_after_the_loop_was_closed() -> None:
    loop = asyncio.new_event_loop()
    work: Future[None] = Future()
    Outside(loop).add(loop.create_future(), work)
    loop.close()
    work.set_result(None)


def test_a_recorder_keeps_the_future_of_what_was_submitted() -> None:
    with ThreadPoolExecutor(1) as pool:
        recorder = Recorder(pool)
        future = recorder.submit(int, "7")
        assert recorder.future is future
        assert future.result() == 7


def test_a_recorder_passes_the_refusal_of_its_executor_on() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        Recorder(pool).submit(int)
