"""Random programs and requests: each caller gets what a plain evaluation of its request gives, whatever others do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

import sage
from sage.testing import run
from tests.runtime.calls.asking import Hall, asking, read

few = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


class Failure(Exception):
    """What functions here raise."""


class Running:
    """How many functions run."""

    def __init__(self) -> None:
        self.number = 0

    def pause(self, value: int) -> float:
        return 0.001 * (value * 7 % 4)

    async def later(self, value: int) -> int:
        self.number += 1
        try:
            await asyncio.sleep(self.pause(value))
            return _checked(value) + 1
        finally:
            self.number -= 1

    async def spread(self, value: int) -> AsyncIterator[int]:
        self.number += 1
        try:
            for part in range(value % 5):
                if part % 2:
                    await asyncio.sleep(self.pause(value))
                yield _checked(value) + part
        finally:
            self.number -= 1

    async def lists(self, values: list[int]) -> list[int]:
        self.number += 1
        try:
            await asyncio.sleep(0.001)
            return [value * 2 for value in values]
        finally:
            self.number -= 1


def _checked(value: int) -> int:
    if value % 97 == 96:
        raise Failure(value)
    return value


def copies(value: int) -> Iterator[int]:
    for part in range(value % 4):
        yield value + part


Plain = Callable[[list[int]], list[int]]
Step = tuple[Callable[[Any, Running], Any], Plain]

IN_ORDER: dict[str, Step] = {
    "map": (lambda s, r: s.map(lambda v: _checked(v) * 3), lambda vs: [_checked(v) * 3 for v in vs]),
    "filter": (lambda s, r: s.filter(lambda v: v % 3), lambda vs: [v for v in vs if v % 3]),
    "later": (lambda s, r: s.map(r.later, concurrency=3), lambda vs: [_checked(v) + 1 for v in vs]),
    "copies": (lambda s, r: s.flat_map(copies), lambda vs: [w for v in vs for w in copies(v)]),
    "spread": (
        lambda s, r: s.flat_map(r.spread, concurrency=2),
        lambda vs: [_checked(v) + part for v in vs for part in range(v % 5)],
    ),
    "lists": (lambda s, r: s.map_batch(r.lists, max_size=4, max_wait=0.01), lambda vs: [v * 2 for v in vs]),
    "list": (lambda s, r: s.map_batch(lambda vs: [v + 5 for v in vs], max_size=3), lambda vs: [v + 5 for v in vs]),
    "cut": (
        lambda s, r: s.batch(3).flat_map(lambda part: [sum(part), len(part)]),
        lambda vs: [w for at in range(0, len(vs), 3) for w in (sum(vs[at : at + 3]), len(vs[at : at + 3]))],
    ),
    "process": (lambda s, r: s.process(lambda v, ctx: ctx.emit(v - 1)), lambda vs: [v - 1 for v in vs]),
}
ANY_ORDER: dict[str, Step] = {
    "unordered": (lambda s, r: s.map(r.later, ordered=False), lambda vs: [_checked(v) + 1 for v in vs]),
    "union": (lambda s, r: s.union(s.map(lambda v: v + 1)), lambda vs: [*vs, *(v + 1 for v in vs)]),
    "parallel": (lambda s, r: s.rebalance().map(r.later, parallelism=2), lambda vs: [_checked(v) + 1 for v in vs]),
    "keyed": (lambda s, r: s.key_by(lambda v: v % 4).map(lambda v: v, parallelism=2), list),
    "broadcast": (lambda s, r: s.broadcast().map(lambda v: v, parallelism=2), lambda vs: [*vs, *vs]),
}


ALL = IN_ORDER | ANY_ORDER
# What comes of a step that cuts depends on the order.
UNCUT = ALL.keys() - {"cut"}


@dataclass(frozen=True)
class Recipe:
    """A program, and its requests: each a number to begin with and how many."""

    steps: tuple[str, ...]
    requests: tuple[tuple[int, int], ...]
    batch_size: int
    window: int

    def expected(self, request: tuple[int, int]) -> list[int] | None:
        """What a plain evaluation gives; `None` if it fails."""
        values = list(range(request[0], request[0] + request[1]))
        try:
            for step in self.steps:
                values = ALL[step][1](values)
        except Failure:
            return None
        return values

    def program(self, running: Running) -> "sage.Environment":
        env = sage.Environment("random", batch_size=self.batch_size, call_window=self.window)
        stream: Any = env.endpoint("x").flat_map(lambda r: range(r[0], r[0] + r[1]))
        for step in self.steps:
            stream = ALL[step][0](stream, running)
        stream.reply()
        return env


def recipes(steps: Any) -> st.SearchStrategy[Recipe]:
    requests = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 12)), min_size=1, max_size=8)
    return st.builds(
        Recipe,
        st.lists(st.sampled_from(sorted(steps)), max_size=4).map(tuple),
        requests.map(tuple),
        st.sampled_from([1, 3, 1024]),
        st.sampled_from([1, 4, 256]),
    )


async def evaluate(recipe: Recipe, *, in_order: bool) -> None:
    running = Running()
    async with asking(recipe.program(running)) as hall:
        answers = await asyncio.wait_for(hall.ask("x", *recipe.requests), 1_000)
        for request, answer in zip(recipe.requests, answers, strict=True):
            expected = recipe.expected(request)
            if expected is None:
                assert isinstance(answer, Failure)
            elif in_order:
                assert answer == expected
            else:
                assert sorted(answer) == sorted(expected)
        await hall.settled()
        assert running.number == 0


@few
@given(recipes(IN_ORDER))
def test_each_gets_what_a_plain_evaluation_gives_in_order(recipe: Recipe) -> None:
    run(evaluate(recipe, in_order=True))


@few
@given(recipes(UNCUT))
def test_each_gets_what_a_plain_evaluation_gives(recipe: Recipe) -> None:
    run(evaluate(recipe, in_order=False))


async def behave(hall: Hall, request: tuple[int, int], manner: str, moment: float) -> Any:
    """Ask, and do what some callers do."""
    if manner == "breaks off":
        async with aclosing(hall.job.stream("x", request)) as answer:
            async for _ in answer:
                break
        return None
    if manner == "forgets":
        answer = hall.job.stream("x", request)
        await answer.admitted()
        await asyncio.sleep(moment)
        return None
    if manner == "hurries":
        return await read(hall.job.stream("x", request, deadline=moment))
    if manner == "dawdles":
        parts = []
        async for part in hall.job.stream("x", request):
            await asyncio.sleep(moment)
            parts.append(part)
        return parts
    reading = asyncio.ensure_future(read(hall.job.stream("x", request)))
    if manner == "is cancelled":
        await asyncio.sleep(moment)
        reading.cancel()
    return await reading


MOMENTS = [0, 0.0005, 0.001, 0.004, 0.02]
MANNERS = ["reads", "breaks off", "forgets", "hurries", "dawdles", "is cancelled"]


async def storm(recipe: Recipe, manners: list[tuple[str, float]]) -> None:
    running = Running()
    async with asking(recipe.program(running)) as hall:
        asked = [
            (request, manner, asyncio.ensure_future(behave(hall, request, manner, moment)))
            for number, (manner, moment) in enumerate(manners)
            for request in [recipe.requests[number % len(recipe.requests)]]
        ]
        await asyncio.wait([task for _, _, task in asked], timeout=1_000)
        for request, manner, task in asked:
            assert task.done(), (request, manner)
            if manner in ("reads", "dawdles"):
                expected = recipe.expected(request)
                if expected is None:
                    assert isinstance(task.exception(), Failure)
                else:
                    assert sorted(task.result()) == sorted(expected)
            elif not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), Failure | sage.DeadlineExceeded)
        await asyncio.wait_for(hall.settled(), 1_000)
        assert running.number == 0
        (late,) = await asyncio.wait_for(hall.ask("x", (1, 3)), 1_000)
        expected = recipe.expected((1, 3))
        assert isinstance(late, Failure) if expected is None else sorted(late) == sorted(expected)


@settings(few, max_examples=100)
@given(
    recipes(UNCUT),
    st.lists(st.tuples(st.sampled_from(MANNERS), st.sampled_from(MOMENTS)), min_size=1, max_size=16),
)
def test_nothing_is_left_of_those_who_go_away(recipe: Recipe, manners: list[tuple[str, float]]) -> None:
    run(storm(recipe, manners))
