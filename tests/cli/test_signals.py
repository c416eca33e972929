"""Ctrl-C and SIGTERM: drain, then cancel, then break off."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator

import anyio
import pytest

import sage
from sage.cli.signals import Signals, drain_on_signals, signals_taken


def endless(started: asyncio.Event) -> sage.Environment:
    """A program whose source gives one record and then waits for ever."""

    async def source() -> AsyncIterator[int]:
        yield 1
        started.set()
        await asyncio.Event().wait()

    env = sage.Environment("endless")
    env.from_iterable(source).collect(name="out")
    return env


async def never(value: int) -> int:
    await asyncio.Event().wait()
    return value


async def test_the_first_signal_drains() -> None:
    started, said = asyncio.Event(), list[str]()
    async with endless(started).start() as job, anyio.create_task_group() as group:
        signals = Signals(asyncio.get_running_loop())
        group.start_soon(drain_on_signals, job, signals, said.append)
        await started.wait()
        signals.on_signal(signal.SIGTERM, None)
        result = await job.wait()
        assert (result.status, result.operators["out"].records_in) == ("finished", 1)
        group.cancel_scope.cancel()
    assert said == ["draining; press Ctrl-C again to cancel"]


async def test_ctrl_c_after_it_cancels_and_a_further_sigterm_does_not() -> None:
    env = sage.Environment("held")
    env.from_iterable([1]).map(never).collect()
    said: asyncio.Queue[str] = asyncio.Queue()
    async with env.start() as job, anyio.create_task_group() as group:
        signals = Signals(asyncio.get_running_loop())
        group.start_soon(drain_on_signals, job, signals, said.put_nowait)
        signals.on_signal(signal.SIGINT, None)
        assert "draining" in await said.get()
        signals.on_signal(signal.SIGTERM, None)
        await anyio.wait_all_tasks_blocked()
        assert (job.status, said.qsize()) == ("draining", 0)
        signals.on_signal(signal.SIGINT, None)
        assert "cancelling" in await said.get()
        with pytest.raises(sage.JobCancelled):
            await job.wait()
    assert job.status == "cancelled"


async def test_once_it_cancels_the_next_signal_interrupts() -> None:
    env = sage.Environment("held")
    env.from_iterable([1]).map(never).collect()
    async with env.start() as job:
        signals = Signals(asyncio.get_running_loop())
        signals.on_signal(signal.SIGINT, None)
        signals.on_signal(signal.SIGINT, None)
        await drain_on_signals(job, signals, lambda message: None)
        with pytest.raises(KeyboardInterrupt):
            signals.on_signal(signal.SIGINT, None)


async def test_a_job_that_fails_while_it_drains_tells_who_waits() -> None:
    entered, released = asyncio.Event(), asyncio.Event()

    async def fail(value: int) -> int:
        entered.set()
        await released.wait()
        raise ValueError("too late")

    env = sage.Environment("failing")
    env.from_iterable([1]).map(fail).collect()
    async with env.start() as job, anyio.create_task_group() as group:
        signals = Signals(asyncio.get_running_loop())
        group.start_soon(drain_on_signals, job, signals, lambda message: released.set())
        await entered.wait()
        signals.on_signal(signal.SIGINT, None)
        with pytest.raises(sage.JobFailed, match="too late"):
            await job.wait()
        group.cancel_scope.cancel()


async def test_signals_that_nobody_takes_up_interrupt_at_last() -> None:
    signals = Signals(asyncio.get_running_loop())
    signals.on_signal(signal.SIGINT, None)
    signals.on_signal(signal.SIGINT, None)
    with pytest.raises(KeyboardInterrupt):
        signals.on_signal(signal.SIGINT, None)  # the event loop has had no turn
    assert [await signals.next(), await signals.next()] == [signal.SIGINT, signal.SIGINT]
    signals.on_signal(signal.SIGINT, None)  # and now it has
    assert await signals.next() == signal.SIGINT


async def test_true_signals_are_taken_and_the_handlers_come_back() -> None:
    def mine(number: int, frame: object) -> None: ...

    original = signal.signal(signal.SIGTERM, mine)
    try:
        before = signal.getsignal(signal.SIGINT)
        with signals_taken() as signals:
            signal.raise_signal(signal.SIGTERM)
            assert await signals.next() == signal.SIGTERM
            signal.raise_signal(signal.SIGINT)
            assert await signals.next() == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, original)


def test_off_the_main_thread_none_are_taken() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    async def take() -> None:
        with signals_taken():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=lambda: asyncio.run(take()))
    thread.start()
    thread.join()
    assert seen == [before]
