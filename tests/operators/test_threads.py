"""Functions that block, run in a thread."""

import asyncio
import threading

import anyio
import pytest

from sage.operators.threads import in_thread


class Blocked:
    """A function that blocks until the test lets it go on."""

    def __init__(self, error: Exception | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._error = error
        self._go_on = threading.Event()
        self.started = asyncio.Event()
        self.returned = False

    def __call__(self) -> None:
        self._loop.call_soon_threadsafe(self.started.set)
        assert self._go_on.wait(60)
        self.returned = True
        if self._error is not None:
            raise self._error

    def go_on(self) -> None:
        self._go_on.set()


async def test_the_result_comes_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)


async def test_an_error_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_it_runs_in_another_thread_no_more_than_the_limit_at_a_time() -> None:
    running: list[int] = []
    most: list[int] = []

    def note(number: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        running.append(number)
        most.append(len(running))
        running.remove(number)

    limiter = anyio.CapacityLimiter(1)
    await asyncio.gather(*(in_thread(note, number, limiter=limiter) for number in range(5)))
    assert most == [1] * 5


async def test_a_cancelled_call_waits_for_its_thread() -> None:
    blocked = Blocked()
    call = asyncio.create_task(in_thread(blocked))
    await blocked.started.wait()
    for _ in range(3):  # being told again changes nothing
        call.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
    assert not call.done()
    blocked.go_on()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert blocked.returned


async def test_a_cancelled_scope_waits_for_the_thread_and_goes_round_no_more_than_that() -> None:
    blocked = Blocked()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(in_thread, blocked)
            await blocked.started.wait()
            scope.cancel()
            asyncio.get_running_loop().call_soon(blocked.go_on)
    assert blocked.returned
    assert scope.cancelled_caught


async def test_an_error_after_the_cancellation_is_not_lost() -> None:
    error = ConnectionError("too late")
    blocked = Blocked(error)
    call = asyncio.create_task(in_thread(blocked))
    await blocked.started.wait()
    call.cancel()
    await asyncio.sleep(0)
    blocked.go_on()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert caught.value.__cause__ is error
