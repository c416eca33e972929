"""A program as a service of another one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

import sage
from sage.testing import virtual_time

CLOSED: list[str] = []


async def spell(text: str) -> AsyncIterator[str]:
    try:
        for letter in text:
            await asyncio.sleep(0.001)
            yield letter
    finally:
        CLOSED.append(text)


def speller() -> sage.Environment:
    env = sage.Environment("speller")
    env.endpoint("spell").map(str.upper).flat_map(spell).reply()
    env.endpoint("invert").map(lambda number: 1 / number, name="divide").reply()
    return env


@pytest.mark.parametrize("place", ["inproc", "zmq"])
async def test_another_program_asks_by_name(place: str) -> None:
    async def ask(text: str) -> tuple[list[str], float]:
        letters = [letter async for letter in sage.service("letters").stream(text)]
        return letters, await sage.service("numbers").call(len(text))

    env = sage.Environment("asking")
    env.register_service("letters", speller().as_service("spell"), place=place)
    env.register_service("numbers", speller().as_service("invert"), place=place)
    assert await env.from_iterable(["ab", "c"]).map(ask).to_list() == [(["A", "B"], 0.5), (["C"], 1.0)]


async def test_errors_arrive_with_the_operator_that_they_are_from() -> None:
    env = sage.Environment("asking")
    env.register_service("numbers", speller().as_service("invert"))
    async with env.services() as services:
        with pytest.raises(ZeroDivisionError) as caught:
            await services.call("numbers", "call", 0)
        assert "in operator 'divide'" in caught.value.__notes__
        assert await services.call("numbers", "call", 4) == 0.25


@virtual_time
async def test_deadlines_and_cancellation_reach_into_it() -> None:
    env = sage.Environment("asking")
    env.register_service("letters", speller().as_service("spell"))
    CLOSED.clear()
    async with env.services():
        service: Any = sage.service("letters")
        with pytest.raises(TimeoutError), sage.deadline(0.01):
            async for _ in service.stream("x" * 100):
                pass
        async with aclosing(service.stream("y" * 100)) as letters:
            async for _ in letters:
                break
        await asyncio.sleep(0.01)
    assert CLOSED == ["X" * 100, "Y" * 100]


async def test_each_replica_runs_the_program_and_tells_how_it_is() -> None:
    service = speller().as_service("spell")()
    await service.start()
    try:
        assert await service.health() == {"ok": True, "status": "running", "open_calls": 0}
    finally:
        await service.stop()
    assert (await service.health())["ok"] is False


def test_an_endpoint_that_is_not_there_is_refused() -> None:
    with pytest.raises(sage.GraphError, match=r"'shout'\): program 'speller' has other endpoints: 'spell', 'i"):
        speller().as_service("shout")
    with pytest.raises(sage.GraphError, match=r"none; write env.endpoint\('ask'\)"):
        sage.Environment("empty").as_service("ask")
