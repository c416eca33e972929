"""What becomes of calls when their service is stopped: none runs on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.testing import assert_nothing_left, virtual_time
from tests.services.samples import Echo
from tests.services.test_calls import PLACES, noted

LOG: list[str] = []


class Logged(sage.Service):
    """Notes, in a list that all share, what happens to it."""

    async def stop(self) -> None:
        LOG.append("stop")

    async def hang(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            LOG.append("hang")

    async def obstinate(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "as if nothing had been"
        raise AssertionError("nobody sets the event")

    async def fails(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("while it was cancelled")

    async def one_by_one(self, hang: bool = False) -> AsyncIterator[int]:
        try:
            yield 1
            if hang:
                await asyncio.Event().wait()
            yield 2
        finally:
            await asyncio.sleep(1)
            name = sage.context().name
            LOG.append(f"{name} closed")

    async def obstinately(self) -> AsyncIterator[int]:
        yield 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield 2
        LOG.append("went on")

    async def gave_up(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel("by itself")
        await future

    async def items_given_up(self) -> AsyncIterator[int]:
        await self.gave_up()
        yield 1

    async def start_another(self) -> None:
        context: Any = sage.context()
        context.call_service_async("other", "hang")
        await turns()

    async def leave(self, services: Any) -> str:
        await services.__aexit__(None, None, None)
        return "left"


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    LOG.clear()


def environment(**options: Any) -> sage.Environment:
    env = sage.Environment("stopping")
    env.register_service("logged", Logged, **options)
    return env


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def listed(items: AsyncIterator[int]) -> list[int]:
    return [item async for item in items]


@pytest.mark.parametrize("place", PLACES)
async def test_calls_that_wait_or_run_are_cancelled_in_every_place(place: str) -> None:
    env = sage.Environment("stopping")
    env.register_service("echo", Echo, place=place, max_concurrency=2)
    async with assert_nothing_left():
        async with env.services() as services:
            calls = [asyncio.create_task(services["echo"].slow(3600)) for _ in range(2)]
            await turns(1)
            calls[1].cancel()
            await noted(services["echo"], "began")
            calls += [asyncio.create_task(services["echo"].slow(3600)) for _ in range(2)]  # one waits for its turn
            await turns(1)
        outcomes = [call.exception() for call in calls if not call.cancelled()]  # they are done
    assert [type(outcome) for outcome in outcomes] == [sage.ServiceUnavailable] * 3
    assert str(outcomes[0]) == "echo.slow: the service was stopped meanwhile"
    with pytest.raises(sage.ServiceUnavailable, match="service 'echo' cannot be called now: it was stopped"):
        await services["echo"].say("x")


@virtual_time
async def test_a_call_that_waits_for_its_time_is_cancelled() -> None:
    async with environment(rate=0.001).services() as services:
        calls = [asyncio.create_task(services["logged"].hang()) for _ in range(2)]
        await turns()
    assert [type(call.exception()) for call in calls] == [sage.ServiceUnavailable] * 2
    assert LOG == ["hang", "stop"]


@virtual_time
async def test_a_service_is_stopped_behind_its_last_call() -> None:
    async with environment().services() as services:
        call = asyncio.create_task(services["logged"].hang())
        await turns()
    assert LOG == ["hang", "stop"]
    assert isinstance(call.exception(), sage.ServiceUnavailable)
    assert services.statistics()["logged"].failures == 1


@virtual_time
async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async with environment().services() as services:
        call = asyncio.create_task(services["logged"].hang())
        await turns()
        call.cancel()
    assert call.cancelled()
    assert LOG[-1] == "stop"


async def test_a_call_may_answer_or_fail_in_its_own_way_when_it_is_cancelled() -> None:
    async with environment().services() as services:

        async def ask() -> list[Any]:
            told: list[Any] = [await services["logged"].obstinate()]
            with pytest.raises(sage.ServiceUnavailable):
                await services["logged"].obstinate()
            await asyncio.sleep(0)  # nothing of the cancellation is left
            return told

        call, failing = asyncio.create_task(ask()), asyncio.create_task(services["logged"].fails())
        await turns()
    assert isinstance(failing.exception(), OSError)
    assert await call == ["as if nothing had been"]


@virtual_time
async def test_streams_are_closed_whether_they_run_or_wait_for_their_readers() -> None:
    async with environment().services() as services:
        logged = services["logged"]
        waiting, left = logged.one_by_one(), logged.one_by_one()
        assert [await anext(waiting), await anext(left)] == [1, 1]
        running = asyncio.create_task(listed(logged.one_by_one(hang=True)))
        obstinate = asyncio.create_task(listed(logged.obstinately()))
        leaving = asyncio.create_task(left.aclose())
        await turns()
    assert LOG == ["logged closed"] * 3 + ["stop"]
    assert leaving.done()
    for stream in (running, obstinate):
        assert str(stream.exception()).endswith("the service was stopped meanwhile")
    with pytest.raises(sage.ServiceUnavailable, match=r"logged\.one_by_one: the service was stopped meanwhile"):
        await anext(waiting)


@virtual_time
async def test_the_finally_of_a_stream_that_is_left_knows_its_service() -> None:
    async with environment().services() as services:
        stream = services["logged"].one_by_one()
        await anext(stream)
        await stream.aclose()
        assert LOG == ["logged closed"]


@virtual_time
async def test_calls_that_a_service_has_started_end_with_it() -> None:
    env = sage.Environment("stopping")
    for name in ("other", "logged"):
        env.register_service(name, Logged)
    async with env.services() as services:
        await services["logged"].start_another()
    assert LOG == ["hang", "stop", "stop"]
    assert services.statistics()["other"].failures == 0  # it was cancelled by whoever had started it


async def test_a_call_may_stop_its_own_service() -> None:
    services = environment().services()
    async with asyncio.timeout(60):
        await services.__aenter__()
        assert await services["logged"].leave(services) == "left"
    assert LOG == ["stop"]


@virtual_time
async def test_whoever_is_cancelled_while_services_stop_goes_on_stopping_them() -> None:
    env = environment()
    env.register_service("other", Logged)
    services = env.services()
    await services.__aenter__()
    call = asyncio.create_task(services["other"].hang())
    await turns()
    leaving = asyncio.create_task(services.__aexit__(None, None, None))
    await turns()
    leaving.cancel()
    await asyncio.wait([leaving, call])
    assert leaving.cancelled()
    assert LOG == ["hang", "stop", "stop"]


@virtual_time
async def test_services_that_have_stopped_may_start_again() -> None:
    services = environment().services()
    for _ in range(2):
        async with services:
            assert [item async for item in services["logged"].one_by_one()] == [1, 2]
            stream = services["logged"].one_by_one()
            await anext(stream)
    assert LOG.count("stop") == 2


@pytest.mark.parametrize("method", ["gave_up", "items_given_up"])
async def test_a_method_that_raises_a_cancellation_cancels_nobody(method: str) -> None:
    async with environment().services() as services:
        with pytest.raises(sage.ServiceError, match=rf"logged\.{method} raised CancelledError: by itself"):
            if method == "gave_up":
                await services["logged"].gave_up()
            else:
                await anext(services["logged"].items_given_up())
