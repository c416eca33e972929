"""Services in processes of their own that call the other services of the program."""

import asyncio
import os
import signal
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.services.away import AwayServices, Invitation
from sage.services.neighbour import Neighbour, known_as
from sage.testing import assert_nothing_left
from tests.services.samples import Echo, Odd
from tests.services.test_calls import cut_short, noted


class Asker(sage.Service):
    """Asks others, from wherever it runs."""

    def __init__(self, first: str = "") -> None:
        self.first = first
        self.heard = ""

    async def start(self) -> None:
        if self.first:
            self.heard = await sage.service(self.first).say("from start")

    async def stop(self) -> None:
        if self.first:
            await sage.service(self.first).say("from stop")

    async def said_at_start(self) -> str:
        return self.heard

    async def by_name(self, text: str) -> str:
        answer: str = await sage.service("echo").say(text=text)
        return answer

    async def by_class(self, text: str) -> str:
        return await sage.service(Echo).say(text)

    async def by_context(self, text: str) -> Any:
        context: Any = sage.context()
        return await context.call_service("echo", "say", text), await context.call_service_async("echo", "say", text)

    async def method(self, name: str, *args: Any) -> Any:
        return await getattr(sage.service("echo"), name)(*args)

    async def other(self, service: str, name: str, *args: Any) -> Any:
        return await getattr(sage.service(service), name)(*args)

    async def count(self, service: str, to: int) -> AsyncIterator[int]:
        async for number in sage.service(service).count(to):
            yield number

    @sage.batched(max_size=4, max_wait=0.001)
    async def gathered(self, texts: list[str]) -> list[str]:
        return [await sage.service("echo").say(text) for text in texts]

    async def pid(self) -> int:
        return os.getpid()

    async def descend(self, depth: int, others: list[str]) -> int:
        """Call around a circle of services, `depth` times."""
        if not depth:
            return 0
        following, *rest = others
        below: int = await sage.service(following).descend(depth - 1, [*rest, following])
        return below + 1

    async def trickle(self, depth: int, others: list[str], count: int) -> AsyncIterator[int]:
        """The same as a stream through all of them."""
        following, *rest = others
        if not depth:
            for number in range(count):
                yield number
        else:
            async for number in sage.service(following).trickle(depth - 1, [*rest, following], count):
                yield number


def environment(echo: str = "inproc", **options: Any) -> sage.Environment:
    """A program whose asker runs in a process of its own."""
    env = sage.Environment("others")
    env.register_service("echo", Echo, prefix="> ", place=echo)
    env.register_service("asker", Asker, place="zmq", **options)
    return env


@pytest.mark.parametrize("echo", ["inproc", "zmq"])
async def test_a_service_elsewhere_calls_others_and_reads_their_streams(echo: str) -> None:
    async with assert_nothing_left(), environment(echo).services() as services:
        asker = services["asker"]
        assert await asker.by_name("a") == "> a"
        assert await asker.by_class("b") == "> b"
        assert await asker.by_context("c") == ("> c", "> c")
        assert await asyncio.gather(*map(asker.gathered, "defg")) == ["> d", "> e", "> f", "> g"]
        assert [number async for number in asker.count("echo", 3000)] == list(range(3000))


async def test_errors_come_through_with_their_type_and_where_they_came_from() -> None:
    async with environment("zmq").services() as services:
        with pytest.raises(Odd, match="3 is odd") as own:
            await services["asker"].method("even", 3)
        assert own.value.number == 3
        notes = "\n".join(own.value.__notes__)
        assert "echo.even" in notes
        assert "asker.method" in notes
        with pytest.raises(sage.UnknownMethod, match="has no method 'missing' to call; it has count, even"):
            await services["asker"].method("missing")
        with pytest.raises(sage.UnknownService, match=r"no service 'ehco'; there is echo, asker"):
            await services["asker"].other("ehco", "say", "x")


async def test_the_limits_of_the_program_hold_for_them() -> None:
    env = sage.Environment("limits")
    env.register_service("echo", Echo, max_concurrency=1, max_queue=0)
    env.register_service("asker", Asker, place="zmq")
    async with env.services() as services:
        running = asyncio.create_task(services["asker"].method("slow", 60))
        async with asyncio.timeout(60):
            while services.statistics()["echo"].calls == 0:
                await asyncio.sleep(0)
        with pytest.raises(sage.Overloaded, match="max_queue=0"):
            await services["asker"].by_name("too much")
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("echo", ["inproc", "zmq"])
async def test_cancelling_reaches_the_last_of_them(echo: str) -> None:
    async with environment(echo).services() as services:
        call = asyncio.create_task(services["asker"].method("slow", 60))
        await noted(services["echo"], "began")
        call.cancel()
        await asyncio.wait([call])
        await noted(services["echo"], "cancelled")
        stream = services["asker"].count("echo", 1_000_000)
        assert await anext(stream) == 0
        await stream.aclose()
        await noted(services["echo"], "closed")


async def test_a_deadline_reaches_the_last_of_them() -> None:
    async with environment("zmq").services() as services:
        await cut_short(services["echo"], lambda: services["asker"].method("slow", 3600))
        await noted(services["echo"], "cancelled")


async def test_what_a_killed_process_has_asked_for_is_cancelled() -> None:
    restart = sage.Restart(delay=0, wait=True)
    async with environment(restart=restart, retry=sage.Retry(delay=0.01)).services() as services:
        call = asyncio.create_task(services["asker"].method("slow", 60))
        await noted(services["echo"], "began")
        os.kill(await services["asker"].pid(), signal.SIGKILL)
        await noted(services["echo"], "cancelled")
        call.cancel()
        await asyncio.wait([call])
        assert await services["asker"].by_name("again") == "> again"  # the next life calls home as well


async def test_circles_of_calls_and_streams_hold_up_nobody() -> None:
    env = sage.Environment("circle")
    names = ["a", "b", "c"]
    for name in names:
        env.register_service(name, Asker, place="zmq" if name != "b" else "inproc")
    async with env.services() as services, asyncio.timeout(60):
        circle = ["b", "c", "a"]
        assert await services["a"].descend(12, circle) == 12
        assert await asyncio.gather(*(services["a"].descend(6, circle) for _ in range(50))) == [6] * 50

        async def read() -> list[int]:
            return [number async for number in services["a"].trickle(4, circle, 2000)]

        assert list(await asyncio.gather(read(), read())) == [list(range(2000))] * 2


async def test_a_service_may_call_those_before_it_when_it_starts_and_stops() -> None:
    async with assert_nothing_left(), environment(first="echo").services() as services:
        assert await services["asker"].said_at_start() == "> from start"
    env = sage.Environment("too early")
    env.register_service("asker", Asker, first="echo", place="zmq")
    env.register_service("echo", Echo)
    with pytest.raises(sage.ServiceUnavailable, match="service 'echo' cannot be called now: it has not started"):
        async with env.services():
            pytest.fail("it cannot be entered")


async def test_those_that_start_later_are_known_also_when_a_factory_makes_them() -> None:
    env = sage.Environment("later")
    env.register_service("asker", Asker, place="zmq", restart=sage.Restart(delay=0, wait=True))
    env.register_service("echo", Echo)
    env.register_service_factory("made", lambda: Echo("made: "))
    async with env.services() as services:
        assert await services["asker"].by_name("x") == "x"
        assert [number async for number in services["asker"].count("made", 3)] == [0, 1, 2]
        os.kill(await services["asker"].pid(), signal.SIGKILL)
        async with asyncio.timeout(60):
            while services.statistics()["asker"].restarts == 0 or not (await services.health())["asker"]["ok"]:
                await asyncio.sleep(0.005)
        assert [number async for number in services["asker"].count("made", 3)] == [0, 1, 2]


class Labels(sage.Service):
    """Takes arguments with the names that `call_service` has for its own."""

    async def tag(self, service: str, method: str) -> str:
        return f"{service}/{method}"


class Tagging(sage.MapFunction[str, str]):
    async def map(self, value: str) -> str:
        first: str = await self.call_service("labels", "tag", service=value, method="one")
        second: str = await self.call_service_async("labels", "tag", service=value, method="two")
        return f"{first} {second}"


@pytest.mark.parametrize("place", ["inproc", "zmq"])
async def test_a_method_may_name_its_arguments_service_and_method(place: Any) -> None:
    env = sage.Environment("labels")
    env.register_service("labels", Labels, place=place)
    results: list[str] = []
    env.from_iterable(["a", "b"]).map(Tagging()).sink(results.append)
    await env.run()
    assert results == ["a/one a/two", "b/one b/two"]


async def test_a_class_that_stands_in_a_function_is_found_elsewhere() -> None:
    class Nested(sage.Service):
        """Goes to another process by value."""

    there = types.new_class("Nested", (sage.Service,), {}, lambda body: body.update(__module__=__name__))
    neighbour = Neighbour("nested", "inproc", known_as(Nested), {})
    services = AwayServices(Invitation("ipc://@nobody", None, (neighbour,)))
    assert repr(services.find(there)) == "<service 'nested': >"
