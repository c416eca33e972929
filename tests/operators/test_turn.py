"""A share of time in each turn of the event loop."""

import asyncio
from collections.abc import AsyncIterator

import sage
from sage.operators.turn import Turn
from sage.testing import virtual_time


@virtual_time
async def test_all_who_rest_are_woken_although_nobody_begins_anything() -> None:
    turn, woken = Turn(budget=1), list[int]()

    async def rest(number: int) -> None:
        await turn.rest()
        woken.append(number)

    await asyncio.gather(*map(rest, range(7)))
    assert woken == list(range(7))


@virtual_time
async def test_generators_that_rest_are_not_forgotten() -> None:
    async def yielding(value: int) -> AsyncIterator[int]:
        yield value

    env = sage.Environment("resting", budget=1e-9)
    out = await env.from_iterable(range(5)).flat_map(yielding).to_list()
    assert out == list(range(5))
