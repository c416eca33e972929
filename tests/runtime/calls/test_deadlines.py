"""Deadlines: they count all the waiting, are known to all that works for the call, and leave no timer behind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

import sage
from sage.services.deadline import remaining
from sage.testing import virtual_time
from tests.runtime.calls.asking import asking, read, turns


def timers() -> int:
    """How many timers the loop has that were not cancelled."""
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pytest.mark.parametrize("deadline", [2, 2.0, timedelta(seconds=2)])
@virtual_time
async def test_a_deadline_ends_the_call(deadline: Any) -> None:
    env = sage.Environment("late")
    env.endpoint("wait").map(wait).reply()
    async with asking(env) as hall:
        before = timers()
        assert await hall.ask("wait", 1, deadline=deadline) == [[1]]
        with pytest.raises(sage.DeadlineExceeded, match=r"endpoint 'wait': the deadline of 2 s has passed"):
            await hall.job.call("wait", 100, deadline=deadline)
        await turns()
        assert asyncio.get_running_loop().time() == pytest.approx(3)
        assert timers() == before


@virtual_time
async def test_it_counts_while_waiting_to_be_let_in_and_in_a_lane() -> None:
    begun: list[Any] = []

    async def work(value: str) -> str:
        begun.append(value)
        await asyncio.sleep(10)
        return value

    for options in ({"admission": sage.Admission(max_requests=1, max_queued=3)}, {}):
        env = sage.Environment("late", **options)  # type: ignore[arg-type]
        env.endpoint("work").map(work, concurrency=1).reply()
        async with asking(env) as hall:
            begun.clear()
            first = asyncio.ensure_future(hall.ask("work", "first"))
            await turns()
            (late,) = await hall.ask("work", "second", deadline=5)
            assert isinstance(late, sage.DeadlineExceeded)
            assert "'work'" in str(late)
            assert await first == [["first"]]
            assert begun == ["first"]
            assert await hall.ask("work", "third") == [["third"]]


@pytest.mark.parametrize("number", [3, 300])
@virtual_time
async def test_what_is_read_too_late_is_not_given(number: int) -> None:
    env = sage.Environment("unread", call_window=8)
    env.endpoint("n").flat_map(range).map(wait_not).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("n", number, deadline=5)
        assert await anext(answer) == 0
        await asyncio.sleep(6)
        assert answer.ready() == []
        with pytest.raises(sage.DeadlineExceeded):
            await anext(answer)
        await turns()
        assert timers() == 0
        answer = hall.job.stream("n", 3, deadline=5)
        assert await anext(answer) == 0
        assert await read(answer) == [1, 2]


async def wait_not(value: int) -> int:
    return value


@virtual_time
async def test_a_deadline_that_has_passed_already() -> None:
    env = sage.Environment("past")
    env.endpoint("wait").map(wait).reply()
    async with asking(env) as hall:
        for deadline in (0, -1):
            assert isinstance((await hall.ask("wait", 1, deadline=deadline))[0], sage.DeadlineExceeded)


class Echo(sage.Service):
    async def left(self) -> float | None:
        return remaining()


@virtual_time
async def test_functions_services_and_nested_calls_have_it() -> None:
    jobs: list[Any] = []
    made: list[Any] = []

    async def inner(_: str) -> tuple[str, float | None]:
        return "inner", remaining()

    async def outer(name: str) -> AsyncIterator[Any]:
        yield "here", remaining()
        yield "service", await sage.service("echo").left()
        yield await jobs[0].call("inner", name)
        made.append(sage.context().call)

    env = sage.Environment("nested")
    env.register_service("echo", Echo)
    env.endpoint("inner").map(inner).reply()
    env.endpoint("outer").flat_map(outer).reply()
    async with asking(env) as hall:
        jobs.append(hall.job)
        assert await hall.ask("outer", "x", deadline=50) == [
            [("here", pytest.approx(50)), ("service", pytest.approx(50)), ("inner", pytest.approx(50))]
        ]
        assert await hall.ask("outer", "x") == [[("here", None), ("service", None), ("inner", None)]]
        with sage.deadline(20):
            assert (await hall.ask("outer", "x", deadline=50))[0][0] == ("here", pytest.approx(20))
        assert len(made) == 3


@virtual_time
async def test_plain_records_do_not_have_the_deadline_of_a_call_beside_them() -> None:
    """Also when their worker was started while a generator of the call parked."""
    seen: list[float | None] = []
    go = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        await go.wait()
        yield "plain"

    async def work(value: str) -> AsyncIterator[str]:
        if value == "plain":
            seen.append(remaining())
        else:
            for _ in range(30):
                go.set()
                yield value
                await asyncio.sleep(0.01)

    env = sage.Environment("beside", call_window=2)
    both = env.endpoint("x").union(env.from_iterable(source()))
    both.flat_map(work, concurrency=1).filter(lambda v: v == "x").reply()
    async with asking(env) as hall:
        answer = hall.job.stream("x", "x", deadline=100)
        await anext(answer)
        await asyncio.sleep(1)
        assert seen == [None]
        assert len(await read(answer)) == 29


@virtual_time
async def test_a_deadline_reaches_a_plain_generator() -> None:
    closed: list[int] = []

    def endless(value: int) -> Iterator[int]:
        try:
            while True:
                yield value
        finally:
            closed.append(value)

    env = sage.Environment("endless", call_window=4)
    env.endpoint("n").flat_map(endless).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("n", 1, deadline=3)
        await anext(answer)
        await asyncio.sleep(4)
        assert closed == [1]
        with pytest.raises(sage.DeadlineExceeded):
            await read(answer)
