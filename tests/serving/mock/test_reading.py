"""Tokens of the synthetic engine without a server, in virtual time."""

import asyncio
from contextlib import aclosing

import pytest

from sage.clock import LoopClock
from sage.errors import Overloaded
from sage.serving.mock import EngineOptions, MockEngine, Token, generated, reading
from sage.testing import virtual_time


@virtual_time
async def test_tokens_come_when_they_are_due() -> None:
    clock = LoopClock()
    engine = MockEngine(clock, EngineOptions(step=0.5))
    start = clock.now()
    came = [(token, clock.now()) async for token in generated(engine, 3, 4)]
    assert [token.number for token, _ in came] == [0, 1, 2, 3]
    assert [token.due - start for token, _ in came] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    assert [at for _, at in came] == pytest.approx([token.due for token, _ in came])


@virtual_time
async def test_a_reader_that_is_behind_gets_all_that_is_there() -> None:
    engine = MockEngine(LoopClock(), EngineOptions(step=1.0))
    with reading(engine, 1, 5) as reader:
        await asyncio.sleep(3.5)
        assert [token.number for token in await reader.ready()] == [0, 1, 2]
        assert [token.number for token in await reader.ready()] == [3]
        assert [token.number for token in await reader.ready()] == [4]
        assert await reader.ready() == []


@virtual_time
async def test_who_stops_reading_is_cancelled() -> None:
    engine = MockEngine(LoopClock(), EngineOptions(max_num_seqs=1, max_waiting=1, step=1.0))
    async with aclosing(generated(engine, 1, 100)) as tokens:
        assert isinstance(await anext(tokens), Token)
        waiting = asyncio.ensure_future(anext(generated(engine, 1, 1)))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await anext(generated(engine, 1, 1))
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (engine.running, engine.waiting) == (1, 0)
    assert (engine.running, engine.cancelled) == (0, 2)
