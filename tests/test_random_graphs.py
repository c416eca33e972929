"""Random programs: the engine gives what a plain evaluation gives, keeps order, ends, and leaves nothing behind.

They run in virtual time: a program that hangs is told at once, as a deadlock that names who waits where.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

import sage
from sage.loops import fast_loop
from sage.testing import PlainEngine, assert_nothing_left, run
from tests.random_programs import Outcome, Recipe, build, pause, recipes

# On a continuous integration server, hypothesis draws the same programs at every run (its profile "ci").
few = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
many = settings(few, max_examples=250)


def really(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run in real time, on the loop that users have."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await coroutine

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(bounded())


async def outcomes(recipe: Recipe, engine: Any = None) -> list[Outcome]:
    program = build(recipe, engine)
    async with assert_nothing_left():
        await program.env.run()
    program.life.check()
    return program.outcomes()


async def check_same(recipe: Recipe) -> None:
    expected = await outcomes(recipe, PlainEngine(batch_size=recipe.batch_size))
    found = await outcomes(recipe)
    for one, other in zip(expected, found, strict=True):
        assert one.same(other), f"expected {one}, found {other}"


@many
@given(recipes())
def test_the_engine_gives_what_a_plain_evaluation_gives(recipe: Recipe) -> None:
    run(check_same(recipe))


@few
@given(recipes(linear=True))
def test_a_program_of_one_order_keeps_it(recipe: Recipe) -> None:
    run(check_same(recipe))


@settings(few, max_examples=30)
@given(recipes())
def test_it_does_so_in_real_time(recipe: Recipe) -> None:
    really(check_same(recipe))


def waits_for_time(recipe: Recipe) -> bool:
    """Whether the order of results may depend on what comes first: by a hair, for the time is a float."""
    return any(origin.kind == "async" for origin in recipe.origins) or any(step.flavour == 3 for step in recipe.steps)


@few
@given(recipes(), st.integers(1, 64))
def test_a_plain_evaluation_does_not_depend_on_the_size_of_batches(recipe: Recipe, other: int) -> None:
    async def check() -> None:
        first = await outcomes(recipe, PlainEngine(batch_size=recipe.batch_size))
        again = await outcomes(recipe, PlainEngine(batch_size=recipe.batch_size))
        if not waits_for_time(recipe):
            assert first == again
        for one, another in zip(first, await outcomes(recipe, PlainEngine(batch_size=other)), strict=True):
            assert one.same(another)

    run(check())


PAIRS = st.lists(st.tuples(st.integers(0, 6), st.just(0)), max_size=120)
STAGES = st.lists(
    st.tuples(st.sampled_from(["map", "async", "twice", "lists", "count"]), st.integers(1, 4), st.booleans()),
    max_size=4,
)


@few
@given(PAIRS, STAGES, st.integers(1, 64), st.integers(1, 64))
def test_records_of_one_key_keep_their_order(
    pairs: list[tuple[int, int]], stages: list[tuple[str, int, bool]], batch_size: int, capacity: int
) -> None:
    numbered = [(key, number) for number, (key, _) in enumerate(pairs)]

    async def check() -> None:
        env = sage.Environment("order", batch_size=batch_size, channel_capacity=capacity)
        stream: Any = env.from_iterable(numbered)
        width = 1
        for kind, parallelism, narrow in stages:
            # A key that sits in one subtask stays in one, and so in order, also if subtasks name keys side by side.
            keyed = stream.key_by(lambda pair: f"key {pair[0]}", parallelism=1 if narrow else width)
            stream, width = staged(keyed, kind, parallelism), parallelism
        out = await stream.to_list()
        copies = 2 ** sum(kind == "twice" for kind, _, _ in stages)
        for key in range(7):
            expected = [pair for pair in numbered if pair[0] == key for _ in range(copies)]
            assert [pair for pair in out if pair[0] == key] == expected
        assert len(out) == len(numbered) * copies

    run(check())


def staged(keyed: Any, kind: str, parallelism: int) -> Any:
    async def later(pair: tuple[int, int]) -> tuple[int, int]:
        await pause(pair[1])
        return pair

    if kind == "map":
        return keyed.map(lambda pair: pair, parallelism=parallelism)
    if kind == "async":
        return keyed.map(later, concurrency=5, parallelism=parallelism)
    if kind == "twice":
        return keyed.flat_map(lambda pair: [pair, pair], parallelism=parallelism)
    if kind == "lists":
        return keyed.batch(3, parallelism=parallelism).flat_map(list, parallelism=parallelism)
    kept = keyed.fold((None, 0), lambda total, pair: (pair, total[1] + 1), parallelism=parallelism)
    return kept.map(lambda result: result[1][0], parallelism=parallelism)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@many
@given(recipes(), st.integers(1, 60))
def test_cancelled_at_any_step_it_closes_all_and_leaves_nothing(recipe: Recipe, step: int) -> None:
    async def check() -> None:
        program = build(recipe)
        async with assert_nothing_left():
            job = program.env.submit()
            await turns(step)
            await job.cancel()
        assert job.status in ("cancelled", "finished")
        program.life.check()

    run(check())


@few
@given(recipes(), st.integers(0, 60))
def test_drained_at_any_step_it_finishes(recipe: Recipe, step: int) -> None:
    async def check() -> None:
        program = build(recipe)
        async with assert_nothing_left(), program.env.start() as job:
            await turns(step)
            await job.drain()
        assert job.status == "finished"
        program.life.check()

    run(check())


class Fault(Exception):
    """What a function raises in a test."""


@few
@given(recipes(), st.integers(0, 40), st.booleans())
def test_failing_at_any_record_it_closes_all_and_leaves_nothing(recipe: Recipe, record: int, later: bool) -> None:
    async def check() -> None:
        left = record

        def fail(value: int) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                raise Fault
            return value

        async def fail_later(value: int) -> int:
            await pause(value)
            return fail(value)

        program = build(recipe)
        everything = program.everything()
        everything.map(fail_later if later else fail, name="failing").sink(lambda _: None)
        async with assert_nothing_left():
            job = program.env.submit()
            (outcome,) = await asyncio.gather(job.wait(), return_exceptions=True)
        if left < 0:
            assert isinstance(outcome, sage.JobFailed)
            assert (outcome.operator, type(outcome.__cause__)) == ("failing", Fault)
        assert job.status == ("failed" if left < 0 else "finished")
        program.life.check()

    run(check())


def test_recipes_make_every_kind_of_step() -> None:
    """The strategy is of no use if its programs are small or all alike."""
    seen: set[str] = set()
    sizes: list[int] = []

    @settings(many, database=None, derandomize=True)
    @given(recipes())
    def look(recipe: Recipe) -> None:
        program = build(recipe)
        seen.update(node.operator.kind for node in program.env.logical_graph.nodes)
        sizes.append(len(program.env.logical_graph.nodes))

    look()
    assert {
        "feedback",
        "route",
        "process",
        "batch",
        "map_batch",
        "take",
        "skip",
        "sum",
        "count",
        "distinct",
        "flat_map",
    } <= seen
    assert max(sizes) > 15


def test_the_check_sees_a_difference() -> None:
    """A lost, a doubled and a swapped record are told apart from none."""
    same = Outcome([1, 2, 2], order=False)
    assert same.same(Outcome([2, 1, 2], order=False))
    assert not same.same(Outcome([1, 2], order=False))
    assert not same.same(Outcome([1, 2, 2, 2], order=False))
    assert not Outcome([1, 2], order=True).same(Outcome([2, 1], order=True))
