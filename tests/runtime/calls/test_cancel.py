"""Walking away: wherever the records of a call are, the work on them stops, and nothing is left."""

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

import sage
from sage.testing import virtual_time
from tests.runtime.calls.asking import Hall, asking, read, turns


class Life:
    """Counts what was begun and what was closed."""

    def __init__(self) -> None:
        self.begun = 0
        self.closed = 0
        self.resources = 0

    @asynccontextmanager
    async def resource(self) -> AsyncIterator[None]:
        self.resources += 1
        try:
            yield
        finally:
            await asyncio.sleep(0.001)
            self.resources -= 1

    async def wait(self, value: Any) -> Any:
        self.begun += 1
        try:
            async with self.resource():
                await asyncio.sleep(1_000_000 if value == "long" else 0.001)
        finally:
            self.closed += 1
        return value

    async def stream(self, value: Any) -> AsyncIterator[Any]:
        self.begun += 1
        try:
            async with self.resource():
                for _ in range(1_000 if value == "long" else 1):
                    yield value
                    await asyncio.sleep(0.001 if value == "short" else 1_000_000)
        finally:
            self.closed += 1

    async def flood(self, value: Any) -> AsyncIterator[Any]:
        self.begun += 1
        try:
            async with self.resource():
                for _ in range(1_000_000 if value == "long" else 1):
                    yield value
        finally:
            self.closed += 1

    def plain(self, value: Any) -> Iterator[Any]:
        self.begun += 1
        try:
            for _ in range(1_000_000 if value == "long" else 1):
                yield value
        finally:
            self.closed += 1

    async def fail(self, value: Any) -> Any:
        self.begun += 1
        self.closed += 1
        if value == "long":
            raise ConnectionError(value)
        return value

    async def list(self, values: list[Any]) -> list[Any]:
        self.begun += 1
        self.closed += 1
        await asyncio.sleep(0.001)
        return values


def retrying(life: Life) -> dict[str, Any]:
    return {"on_error": sage.Retry(1_000, delay=1_000, max_delay=100_000)}


# What the records of a "long" request are in the middle of; one of a "short" one passes.
STATES: dict[str, Callable[[Any, Life], Any]] = {
    "async function": lambda s, life: s.map(life.wait, concurrency=1),
    "async function, unordered": lambda s, life: s.map(life.wait, concurrency=1, ordered=False),
    "async generator": lambda s, life: s.flat_map(life.stream, concurrency=1),
    "with a timeout": lambda s, life: s.flat_map(life.stream, concurrency=1, timeout=10_000_000),
    "parked on the window": lambda s, life: s.flat_map(life.flood, concurrency=1),
    "parked on the window, with a timeout": lambda s, life: s.flat_map(life.flood, concurrency=1, timeout=10_000),
    "plain generator": lambda s, life: s.flat_map(life.plain),
    "retry of an async function": lambda s, life: s.map(life.fail, **retrying(life)),
    "held for company": lambda s, life: s.map_batch(life.list, max_size=10, max_wait=0.5),
    "behind another": lambda s, life: s.flat_map(lambda v: [v] * 9).map(life.wait, concurrency=1),
    "between two operators": lambda s, life: s.flat_map(life.plain).map(lambda v: v).map(life.wait, concurrency=1),
}


async def ask_long(hall: Hall) -> None:
    async with aclosing(hall.job.stream("x", "long")) as answer:
        async for _ in answer:
            await asyncio.sleep(1_000_000)


@pytest.mark.parametrize("state", STATES)
@virtual_time
async def test_all_work_stops(state: str) -> None:
    life = Life()
    env = sage.Environment("cancel", call_window=4)
    STATES[state](env.endpoint("x"), life).reply()
    async with asking(env) as hall:
        for _ in range(3):
            waiting = [asyncio.ensure_future(ask_long(hall)) for _ in range(5)]
            await asyncio.sleep(0.2)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await asyncio.wait_for(hall.settled(), 10)
            assert life.begun == life.closed
            assert life.resources == 0
        answers = await asyncio.wait_for(hall.ask("x", "short"), 10)
        assert set(answers[0]) == {"short"}


@virtual_time
async def test_what_is_held_for_company_is_dropped_at_once() -> None:
    gate = asyncio.Event()

    async def wait(value: int) -> int:
        if value:
            await gate.wait()
        return value

    env = sage.Environment("held")
    env.endpoint("n").flat_map(range).map(wait).batch(10, max_wait=1_000_000).reply()
    async with asking(env) as hall:
        task = asyncio.ensure_future(hall.ask("n", 2))
        await turns()
        (call,) = hall.calls
        assert (call.live, call.held) == (2, 1)
        task.cancel()
        await turns()
        hall.check()


@virtual_time
async def test_a_call_that_waits_to_be_let_in() -> None:
    life = Life()
    env = sage.Environment("door", admission=sage.Admission(max_requests=1, max_queued=5))
    env.endpoint("x").map(life.wait).reply()
    async with asking(env) as hall:
        first = asyncio.ensure_future(ask_long(hall))
        await turns()
        second = asyncio.ensure_future(ask_long(hall))
        await turns()
        assert len(hall.calls) == 1
        second.cancel()
        await turns()
        first.cancel()
        await asyncio.sleep(0.1)
        assert life.begun == 1
        assert await hall.ask("x", "short") == [["short"]]


@virtual_time
async def test_who_closes_at_the_door_gives_up_the_place_in_line() -> None:
    life = Life()
    env = sage.Environment("door", admission=sage.Admission(max_requests=1, max_queued=1))
    env.endpoint("x").map(life.wait).reply()
    async with asking(env) as hall:
        first = asyncio.ensure_future(ask_long(hall))
        await turns()
        answer = hall.job.stream("x", "short")
        reading = asyncio.ensure_future(read(answer))
        await turns()
        for _ in range(3):
            await answer.aclose()
            await asyncio.sleep(0)
        assert await reading == []
        third = asyncio.ensure_future(hall.ask("x", "short"))
        await turns()
        first.cancel()
        assert await third == [["short"]]
        assert len(hall.calls) == 2


@pytest.mark.parametrize("gives_up", [False, True])
@virtual_time
async def test_two_tasks_that_wait_for_one_answer_make_one_request(gives_up: bool) -> None:
    life = Life()
    env = sage.Environment("door", admission=sage.Admission(max_requests=1, max_queued=5))
    env.endpoint("x").map(life.wait).reply()
    async with asking(env) as hall:
        before = asyncio.ensure_future(ask_long(hall))
        await turns()
        answer = hall.job.stream("x", "short")
        entering, reading = asyncio.ensure_future(answer.admitted()), asyncio.ensure_future(read(answer))
        await turns()
        if gives_up:
            entering.cancel()
        await turns()
        before.cancel()
        assert await reading == ["short"]
        assert entering.cancelled() == gives_up
        assert len(hall.calls) == 2


@virtual_time
async def test_a_call_in_the_wait_of_a_throttle() -> None:
    env = sage.Environment("throttle")
    env.endpoint("n").flat_map(range).throttle(1).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("n", 10)
        assert await anext(answer) == 0
        await answer.aclose()
        await asyncio.wait_for(hall.settled(), 20)


async def test_a_blocking_function_is_waited_for_and_its_result_dropped() -> None:
    go_on, begun = threading.Event(), threading.Event()
    done: list[str] = []

    def block(value: str) -> str:
        if value == "long":
            begun.set()
            assert go_on.wait(60)
        done.append(value)
        return value

    env = sage.Environment("thread")
    env.endpoint("x").map(block, blocking=True, concurrency=1).reply()
    async with asking(env) as hall:
        task = asyncio.ensure_future(hall.ask("x", "long"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go_on.set()
        assert await hall.ask("x", "short") == [["short"]]
        assert done == ["long", "short"]


@virtual_time
async def test_a_function_that_keeps_its_cancellation_to_itself_does_not_harm_its_worker() -> None:
    async def stubborn(value: str) -> str:
        try:
            await asyncio.sleep(1_000_000 if value == "long" else 0)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return value

    env = sage.Environment("stubborn")
    env.endpoint("x").map(stubborn, concurrency=1).reply()
    async with asking(env) as hall:
        for _ in range(3):
            task = asyncio.ensure_future(ask_long(hall))
            await turns()
            task.cancel()
            assert await asyncio.wait_for(hall.ask("x", "short"), 10) == [["short"]]


@virtual_time
async def test_an_error_while_closing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def bad(value: str) -> AsyncIterator[str]:
        try:
            yield value
            await asyncio.sleep(1_000_000)
        finally:
            raise RuntimeError("cannot close")

    env = sage.Environment("closing")
    env.endpoint("x").flat_map(bad, name="generate").reply()
    with caplog.at_level(logging.ERROR):
        async with asking(env) as hall:
            async with aclosing(hall.job.stream("x", "long")) as answer:
                await anext(answer)
            await turns()
    (record,) = caplog.records
    assert "generate" in record.getMessage()
    assert record.exc_info is not None
    assert "cannot close" in str(record.exc_info[1])


@virtual_time
async def test_an_answer_that_is_forgotten_stops_the_work() -> None:
    life = Life()
    env = sage.Environment("forgotten", call_window=4)
    env.endpoint("x").flat_map(life.stream).reply()
    async with asking(env) as hall:
        async for _ in hall.job.stream("x", "long"):
            break
        answer: Any = hall.job.stream("x", "long")
        await answer.admitted()
        del answer
        gc.collect()
        await asyncio.sleep(0.1)
        assert life.begun == life.closed
        hall.check()


@virtual_time
async def test_an_answer_forgotten_in_another_thread_stops_the_work_in_the_loop() -> None:
    life, kept = Life(), list[Any]()
    env = sage.Environment("forgotten", call_window=4)
    env.endpoint("x").flat_map(life.stream).reply()
    async with asking(env) as hall:
        kept.append(hall.job.stream("x", "long"))
        await kept[0].admitted()
        await turns()
        await asyncio.to_thread(kept.clear)
        await asyncio.sleep(0.1)
        assert (life.begun, life.closed) == (1, 1)


@virtual_time
async def test_closing_wakes_whoever_reads() -> None:
    env = sage.Environment("close")
    env.endpoint("x").map(Life().wait).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("x", "long")
        reader = asyncio.ensure_future(read(answer))
        await turns()
        await answer.aclose()
        assert await asyncio.wait_for(reader, 1) == []
        await answer.aclose()
        assert await read(answer) == []


@virtual_time
async def test_an_answer_never_awaited_asks_nothing() -> None:
    env = sage.Environment("lazy")
    env.endpoint("x").map(Life().wait).reply()
    async with asking(env) as hall:
        hall.job.stream("x", "long")
        await turns()
        assert hall.calls == []


@virtual_time
async def test_records_of_a_dead_call_are_not_worked_on() -> None:
    """A long batch of a plain function is given up in the middle."""
    seen: list[int] = []
    answers: list[Any] = []

    async def leave(value: int) -> int:
        return value

    def note(value: int) -> int:
        seen.append(value)
        if value == 100:
            asyncio.get_running_loop().call_soon(answers[0].close)
        return value

    env = sage.Environment("pieces", budget=1e-9)  # a piece is one record then
    env.endpoint("n").flat_map(lambda n: list(range(n)), on_error=sage.DeadLetter()).map(note).reply()
    async with asking(env) as hall:
        answers.append(hall.job.stream("n", 1_000)._asking)  # type: ignore[attr-defined]
        assert [part async for part in answers[0].records()]
        await turns()
    assert len(seen) < 200


@virtual_time
async def test_an_endless_plain_generator_of_a_call_that_died_on_its_way_is_never_begun() -> None:
    begun: list[str] = []

    def endless(value: str) -> Iterator[str]:
        begun.append(value)
        while value == "long":
            yield value
        yield value

    env = sage.Environment("endless", budget=1e-9)
    env.endpoint("x").flat_map(lambda v: [v] * 20).flat_map(endless).filter(lambda v: v != "long").reply()
    async with asking(env) as hall:
        task = asyncio.ensure_future(hall.ask("x", "long"))
        await asyncio.sleep(0)
        await turns(10)
        task.cancel()
        await asyncio.wait_for(hall.settled(), 1)
        assert set((await hall.ask("x", "short"))[0]) == {"short"}


@virtual_time
async def test_a_list_is_given_up_when_the_last_of_its_calls_has_died() -> None:
    log: list[str] = []

    async def slow(values: list[str]) -> list[str]:
        try:
            await asyncio.sleep(10)
            log.append("done")
        finally:
            log.append("closed")
        return values

    env = sage.Environment("lists")
    env.endpoint("ask").map_batch(slow, max_size=2, max_wait=1).reply()
    async with env.start() as job:
        first, second = (asyncio.create_task(job.call("ask", name)) for name in "ab")
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(1)
        assert log == []  # the other still waits for it
        second.cancel()
        await asyncio.sleep(1)
        assert log == ["closed"]
        assert job.open_calls == 0
        assert await job.call("ask", "c") == "c"  # the place is free again
