"""Whenever the machine stalls, programs do the same: nothing is lost, nobody waits for a wake-up that does not come."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from hypothesis import given, strategies as st

import sage
from sage.testing import run
from tests.random_programs import Recipe, recipes
from tests.runtime.calls.asking import asking, turns
from tests.runtime.calls.test_random import (
    MANNERS,
    MOMENTS,
    UNCUT,
    Recipe as RecipeOfCalls,
    few,
    recipes as recipes_of_calls,
    storm,
)
from tests.stalls import stalling
from tests.test_random_graphs import check_same

SEEDS = st.integers(0, 10_000)


def run_stalling(seed: int, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run in virtual time, where a program that hangs is told at once."""
    with stalling(seed):
        run(coroutine)


@few
@given(recipes(), SEEDS)
def test_random_programs_give_what_a_plain_evaluation_gives(recipe: Recipe, seed: int) -> None:
    run_stalling(seed, check_same(recipe))


@few
@given(
    recipes_of_calls(UNCUT),
    st.lists(st.tuples(st.sampled_from(MANNERS), st.sampled_from(MOMENTS)), min_size=1, max_size=16),
    SEEDS,
)
def test_random_calls_get_their_answers(recipe: RecipeOfCalls, manners: list[tuple[str, float]], seed: int) -> None:
    run_stalling(seed, storm(recipe, manners))


@pytest.mark.parametrize("seed", range(12))
def test_take_ends_a_source_that_has_nothing_more_to_say(seed: int) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(1_000_000)

    async def check() -> None:
        env = sage.Environment("silent")
        async with asyncio.timeout(1_000):
            assert await env.from_iterable(source()).map(lambda value: value).take(1).to_list() == [1]

    run_stalling(seed, check())


@pytest.mark.parametrize("seed", range(12))
def test_an_endpoint_that_nothing_reads_any_more_takes_nothing(seed: int) -> None:
    async def check() -> None:
        env = sage.Environment("enough")
        env.endpoint("few").take(1).reply()
        env.endpoint("other").reply()
        async with asking(env) as hall:
            assert await hall.ask("few", 1) == [[1]]
            await turns()
            assert isinstance((await hall.ask("few", 2))[0], sage.JobNotRunning)

    run_stalling(seed, check())
