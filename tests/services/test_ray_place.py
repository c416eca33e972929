"""Replicas as actors of a Ray cluster."""

import asyncio
import os
from collections.abc import Iterator

import pytest

import sage
from tests.ray_cluster import ray_cluster
from tests.services.samples import Echo, Odd
from tests.services.test_calling_others import Asker

# Ray's own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ray_cluster(str(tmp_path_factory.mktemp("home"))):
        yield


class Broken(sage.Service):
    """Cannot start, or not stop."""

    def __init__(self, where: str) -> None:
        self.where = where

    async def start(self) -> None:
        if self.where == "start":
            raise Odd(1)

    async def stop(self) -> None:
        if self.where == "stop":
            raise Odd(2)

    async def die(self) -> None:
        os._exit(1)


def environment(**options: object) -> sage.Environment:
    env = sage.Environment("on ray")
    env.register_service("echo", Echo, prefix="> ", place="ray", **options)  # type: ignore[arg-type]
    return env


async def test_a_service_in_an_actor_answers_streams_fails_and_is_cancelled() -> None:
    async with environment(replicas=2).services() as services:
        echo = services["echo"]
        assert await echo.say("hello") == "> hello"
        assert [number async for number in echo.count(1000)] == list(range(1000))
        with pytest.raises(Odd, match="3 is odd") as own:
            await echo.even(3)
        assert own.value.number == 3
        with pytest.raises(TimeoutError), sage.deadline(0.5):
            await echo.slow(60)
        seen = await asyncio.gather(*(echo.replica() for _ in range(10)))
        assert set(seen) == {0, 1}
        assert (await services.health())["echo"]["ok"] is True


async def test_a_service_in_an_actor_calls_others_and_tells_of_its_lists() -> None:
    env = sage.Environment("others on ray")
    env.register_service("echo", Echo, prefix="> ")
    env.register_service("asker", Asker, first="echo", place="ray")
    async with env.services() as services:
        asker = services["asker"]
        assert await asker.said_at_start() == "> from start"
        assert await asker.by_class("b") == "> b"
        assert await asker.by_context("c") == ("> c", "> c")
        assert [number async for number in asker.count("echo", 3000)] == list(range(3000))
        with pytest.raises(Odd):
            await asker.method("even", 3)
        assert await asyncio.gather(*map(asker.gathered, "defg")) == ["> d", "> e", "> f", "> g"]

        def sizes() -> dict[int, int]:
            return services.statistics()["asker"].batches["gathered"].sizes

        async with asyncio.timeout(60):
            # How the four were gathered is a matter of when they arrived; that all were is not.
            while sum(size * lists for size, lists in sizes().items()) != 4:
                await asyncio.sleep(0.005)


async def test_an_actor_that_dies_is_started_again() -> None:
    env = sage.Environment("mortal")
    env.register_service("mortal", Broken, "", place="ray", restart=sage.Restart(delay=0, wait=True))
    async with env.services() as services:
        with pytest.raises(sage.ServiceUnavailable, match=r"mortal\.die"):
            await services["mortal"].die()
        async with asyncio.timeout(60):
            while not ((await services.health())["mortal"]["ok"] and services.statistics()["mortal"].restarts):
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(("where", "text"), [("start", "could not start: Odd"), ("stop", "while it was stopped: Odd")])
async def test_what_an_actor_raises_is_told(where: str, text: str) -> None:
    env = sage.Environment("broken")
    env.register_service("broken", Broken, where, place="ray")
    with pytest.raises(sage.ServiceError, match=text):
        async with env.services():
            pass
