"""What services are counted to have done."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import sage
from sage.services import BatchStatistics, ServiceStatistics
from sage.testing import virtual_time


class Model(sage.Service):
    """Works on lists, and on some at once."""

    @sage.batched(max_size=4, max_wait=3600)  # in real time a list leaves when it is full, however slow the machine is
    async def square(self, numbers: list[int]) -> list[int]:
        return [number * number for number in numbers]

    @sage.batched(max_size=2, max_wait=0.01)
    async def whose(self, names: list[str]) -> list[str]:
        context: Any = sage.context()
        return [f"{name}: {context.name}" for name in names]

    async def pid(self) -> int:
        return os.getpid()


def environment(**options: Any) -> sage.Environment:
    env = sage.Environment("counted")
    env.register_service("model", Model, **options)
    return env


async def squares(model: Any, count: int) -> list[int]:
    return list(await asyncio.gather(*(model.square(number) for number in range(count))))


async def until(told: Callable[[], object]) -> None:
    """Return when something that another process tells has come; nothing else shows that it has."""
    async with asyncio.timeout(60):
        while not told():
            await asyncio.sleep(0.005)


@virtual_time
async def test_lists_are_counted_by_size_and_by_why_they_left() -> None:
    async with environment().services() as services:
        assert await squares(services["model"], 10) == [number * number for number in range(10)]
        before = services.statistics()["model"]
        assert before.batches["square"] == BatchStatistics({4: 2, 2: 1}, {"full": 2, "time": 1})  # type: ignore[arg-type]
        assert (before.batches["square"].lists, before.batches["square"].items) == (3, 10)
        assert before.batches["whose"].lists == 0
        await squares(services["model"], 4)
        assert before.batches["square"].lists == 3
        assert services.statistics()["model"].batches["square"].sizes == {4: 3, 2: 1}
        assert services.statistics()["model"].calls == 14


@virtual_time
async def test_replicas_are_counted_together() -> None:
    async with environment(replicas=2).services() as services:
        await squares(services["model"], 10)  # five each
        counted = services.statistics()["model"].batches["square"]
        assert (counted.sizes, counted.reasons) == ({4: 2, 1: 2}, {"full": 2, "time": 2})


async def test_a_replica_in_another_process_tells_and_all_its_lives_count() -> None:
    restart = sage.Restart(delay=0, wait=True)
    async with environment(place="zmq", restart=restart, retry=sage.Retry(delay=0.01)).services() as services:
        model = services["model"]

        def counted(method: str) -> BatchStatistics:
            return services.statistics()["model"].batches.get(method, BatchStatistics())

        await squares(model, 4)
        await model.whose("x")
        await until(lambda: (counted("square").items, counted("whose").items) == (4, 1))
        assert (counted("square").sizes, counted("square").reasons) == ({4: 1}, {"full": 1})
        assert (counted("whose").sizes, counted("whose").reasons) == ({1: 1}, {"time": 1})
        await squares(model, 4)
        await until(lambda: counted("square").items == 8)
        os.kill(await model.pid(), signal.SIGKILL)
        await until(lambda: services.statistics()["model"].restarts == 1)
        assert await squares(model, 4) == [0, 1, 4, 9]
        await until(lambda: counted("square").items == 12)
        assert (counted("square").sizes, counted("whose").sizes) == ({4: 3}, {1: 1})


@pytest.mark.parametrize("place", ["inproc", "zmq"])
async def test_a_list_is_worked_on_on_behalf_of_the_service(place: str) -> None:
    env = environment(place=place)

    async def ask(name: str) -> str:
        answer: str = await sage.service("model").whose(name)
        return answer

    assert await env.from_iterable(["x", "y"]).map(ask).to_list() == ["x: model", "y: model"]


def test_a_service_that_gathers_nothing_has_no_lists() -> None:
    assert ServiceStatistics().batches == {}
    assert (BatchStatistics().lists, BatchStatistics().items) == (0, 0)
