"""Calls between operators whose channels encode what passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

import sage
from tests.runtime.calls.asking import asking, read

ENCODING = pytest.mark.parametrize("transport", ["zmq", "shm"])


async def spell(text: str) -> AsyncIterator[str]:
    for letter in text:
        await asyncio.sleep(0)
        yield letter


async def lists(values: list[str]) -> list[str]:
    await asyncio.sleep(0)
    return [value + "!" for value in values]


@ENCODING
async def test_each_caller_gets_its_own(transport: str) -> None:
    env = sage.Environment("encoded", transport=transport, batch_size=8, call_window=4)
    spelled = env.endpoint("spell").map(str.upper).flat_map(spell, concurrency=20)
    spelled.map_batch(lists, max_size=4, max_wait=0.001).key_by(str).map(lambda v: v, parallelism=2).batch(3).reply()
    async with asking(env) as hall:
        texts = ["aaaaaaa", "", "bb", *("c" * number for number in range(20))]
        for text, answer in zip(texts, await hall.ask("spell", *texts), strict=True):
            assert [part for parts in answer for part in parts] == [letter + "!" for letter in text.upper()]


@ENCODING
async def test_cancels_deadlines_and_errors(transport: str) -> None:
    running = 0

    async def work(value: int) -> AsyncIterator[int]:
        nonlocal running
        running += 1
        try:
            yield value
            if value == 0:
                raise ZeroDivisionError
            await asyncio.sleep(100 if value < 0 else 0)
        finally:
            running -= 1

    env = sage.Environment("encoded", transport=transport)
    env.endpoint("x").flat_map(work, name="work").map(lambda v: v).reply()
    async with asking(env) as hall:
        async with aclosing(hall.job.stream("x", -1)) as answer:
            assert await anext(answer) == -1
            good, bad = await hall.ask("x", 1, 0)
        assert good == [1]
        assert isinstance(bad, ZeroDivisionError)
        assert "work" in "".join(bad.__notes__)
        late = await hall.ask("x", -2, deadline=0.05)
        assert isinstance(late[0], sage.DeadlineExceeded)
        await hall.settled()
        assert running == 0


@ENCODING
async def test_what_cannot_be_encoded_fails_its_call_only(transport: str) -> None:
    def make(value: int) -> Any:
        return value or object()

    env = sage.Environment("encoded", transport=transport)
    env.endpoint("x").flat_map(lambda v: [v], name="ask").map(make, name="make").reply()
    async with asking(env) as hall:
        for _ in range(2):
            one, bad, two = await asyncio.wait_for(hall.ask("x", 1, 0, 2), 60)
            assert (one, two) == ([1], [2])
            assert isinstance(bad, sage.transports.CodecError)
            assert "make" in "".join(bad.__notes__)
        (bad,) = await hall.ask("x", object())
        assert isinstance(bad, sage.transports.CodecError)
        assert await hall.ask("x", 3) == [[3]]


@ENCODING
async def test_a_drain_and_a_slow_reader(transport: str) -> None:
    env = sage.Environment("encoded", transport=transport, call_window=2)
    env.endpoint("spell").flat_map(spell).map(str.upper).reply()
    async with asking(env) as hall:
        slow = hall.job.stream("spell", "z" * 50)
        assert await anext(slow) == "Z"
        assert await hall.ask("spell", "ab") == [["A", "B"]]
        drained = asyncio.ensure_future(hall.job.drain())
        assert await read(slow) == ["Z"] * 49
        await drained
