"""Calls that share a task as long as they do not wait: none of them may find anything of another one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from sage.transports.rpc.first_step import Standby, rest_of
from tests.transports.rpc.served import Probe, served, until

seen: ContextVar[str] = ContextVar("seen", default="nothing")


async def at_once(number: int) -> int:
    return number


async def waits(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def limited(seconds: float) -> str:
    """Limits the time of itself, which needs to know the task it runs in."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return "in time"
    return "never"


async def gathers(number: int) -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(waits(number + step)) for step in range(3)]
    return [task.result() for task in tasks]


async def marks(text: str) -> str:
    """What it finds, before it sets something else."""
    found = seen.get()
    seen.set(text)
    return found


async def cancels_itself() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "done"


class TestCallsOfOneMessage:
    async def test_those_that_wait_and_those_that_do_not_are_all_answered(self) -> None:
        async with served({"at_once": at_once, "waits": waits}) as (server, client):
            names = ["waits" if number % 5 == 2 else "at_once" for number in range(100)]
            answers = await asyncio.gather(*(client.call(name, number) for number, name in enumerate(names)))
            assert answers == list(range(100))
            assert server.statistics().running == 0

    async def test_one_that_waits_for_long_holds_up_nobody(self) -> None:
        probe = Probe()
        async with served({"at_once": at_once, "hang": probe.hang}) as (_, client):
            hanging = [asyncio.create_task(client.call("hang")) for _ in range(3)]
            assert await asyncio.gather(*(client.call("at_once", number) for number in range(10))) == list(range(10))
            for call in hanging:
                call.cancel()
            await until(lambda: probe.cancelled == 3)

    async def test_the_current_task_is_one_that_can_be_told_the_time(self) -> None:
        async with served({"limited": limited, "gathers": gathers, "at_once": at_once}) as (_, client):
            for _ in range(2):  # the first one is begun by a new task, the second one by the task that stands by
                assert await client.call("at_once", 1) == 1
                assert await client.call("limited", 0.01) == "in time"
                assert await client.call("gathers", 5) == [5, 6, 7]

    async def test_what_one_sets_the_others_do_not_find(self) -> None:
        async with served({"marks": marks, "at_once": at_once}) as (_, client):
            assert await client.call("at_once", 1) == 1
            found = await asyncio.gather(*(client.call("marks", f"{number}") for number in range(10)))
            assert found == ["nothing"] * 10

    async def test_one_that_cancels_its_task_and_ends_harms_no_other(self) -> None:
        methods: dict[str, Callable[..., Any]] = {"cancels_itself": cancels_itself, "waits": waits, "at_once": at_once}
        async with served(methods) as (_, client):
            assert await client.call("at_once", 1) == 1
            answers = await asyncio.gather(
                *(client.call("waits", number) if number % 2 else client.call("cancels_itself") for number in range(6))
            )
            assert answers == ["done", 1, "done", 3, "done", 5]

    async def test_a_client_that_leaves_in_the_turn_in_which_it_calls_leaves_nothing_running(self) -> None:
        probe = Probe()
        async with served({"hang": probe.hang, "at_once": at_once}) as (server, client):
            assert await client.call("at_once", 1) == 1
            calls = [asyncio.create_task(client.call("hang")) for _ in range(3)]
            await asyncio.sleep(0)
            await client.aclose()  # its BYE may be read together with the calls
            await asyncio.gather(*calls, return_exceptions=True)
            await until(lambda: server.statistics().clients == 0)
            await until(lambda: probe.cancelled == probe.started)
            assert server.statistics().running == 0

    async def test_no_task_stays_when_the_server_is_closed(self) -> None:
        before = asyncio.all_tasks()
        async with served({"at_once": at_once}) as (_, client):
            assert await client.call("at_once", 1) == 1
        assert asyncio.all_tasks() == before


async def begun(work: Any) -> Any:
    """Run it to its end in a task, its first step taken by hand."""
    return await rest_of(work, work.send(None))


class TestTheRest:
    async def test_it_returns_what_the_work_returns(self) -> None:
        assert await begun(waits(7)) == 7

    async def test_it_raises_what_the_work_raises(self) -> None:
        async def fails() -> None:
            await asyncio.sleep(0)
            raise LookupError("no")

        with pytest.raises(LookupError, match="no"):
            await begun(fails())

    async def test_the_work_may_ignore_that_it_is_cancelled(self) -> None:
        async def stubborn(go: asyncio.Event) -> str:
            told = 0
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    told += 1
            return f"told {told} times"

        go = asyncio.Event()
        task = asyncio.create_task(begun(stubborn(go)))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await task == "told 3 times"


class TestStandingBy:
    @pytest.fixture
    async def task_and_standby(self) -> AsyncIterator[tuple["asyncio.Task[str]", Standby[Any]]]:
        made: asyncio.Future[Standby[Any]] = asyncio.get_running_loop().create_future()

        async def stands_by() -> Any:
            task = asyncio.current_task()
            assert task is not None
            standby: Standby[Any] = Standby(task, copy_context())
            made.set_result(standby)
            work = await standby.left()
            return "nothing" if work is None else await work

        task = asyncio.create_task(stands_by())
        yield task, await made
        task.cancel()
        await asyncio.wait([task])

    async def test_it_may_leave_without_work(self, task_and_standby: tuple["asyncio.Task[str]", Standby[Any]]) -> None:
        task, standby = task_and_standby
        standby.leave(None)
        assert await task == "nothing"

    async def test_who_is_cancelled_with_work_under_way_tells_the_work(
        self, task_and_standby: tuple["asyncio.Task[str]", Standby[Any]]
    ) -> None:
        task, standby = task_and_standby
        child = asyncio.get_running_loop().create_future()

        async def work() -> str:
            try:
                await child
            except asyncio.CancelledError:
                return f"told, and what it awaits is cancelled: {child.cancelled()}"
            return "not told"

        begun_work = work()
        await asyncio.sleep(0)  # the task waits now
        waits_for = begun_work.send(None)
        standby.leave(rest_of(begun_work, waits_for))
        task.cancel()
        assert await task == "told, and what it awaits is cancelled: True"
        assert task.cancelling() == 1
