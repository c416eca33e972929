"""Feedback loops: they end by themselves, when and only when nothing is left inside."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import sage
from sage.testing import PlainEngine, assert_nothing_left, virtual_time

LOCAL: dict[str, Any] = {"channel_capacity": 4, "batch_size": 2}
ENGINES = pytest.mark.parametrize("options", [LOCAL, {"engine": PlainEngine(batch_size=2)}], ids=["local", "plain"])
Options = dict[str, Any]


async def later(value: Any) -> Any:
    await asyncio.sleep(value % 3 if isinstance(value, int) else 0)
    return value


def down(values: "sage.Stream[int]", loop: Any, **options: Any) -> Any:
    """A body that counts down to 0 and shows each number on its way."""
    numbers = values.union(loop.stream).map(lambda value: value, **options)
    loop.close(numbers.filter(lambda value: value > 0).map(lambda value: value - 1, **options))
    return numbers


def countdown(*starts: int) -> Counter[int]:
    return Counter(value for start in starts for value in range(start + 1))


@ENGINES
@virtual_time
async def test_a_loop_ends_when_all_have_left(options: Options) -> None:
    env = sage.Environment("down", **options)
    out = down(env.from_iterable([3, 50, 0, 7]), env.feedback())
    async with assert_nothing_left():
        assert Counter(await out.to_list()) == countdown(3, 50, 0, 7)


@ENGINES
@virtual_time
async def test_a_loop_whose_source_gives_nothing(options: Options) -> None:
    env = sage.Environment("empty", **options)
    assert await down(env.from_iterable([]), env.feedback()).to_list() == []


@ENGINES
@virtual_time
async def test_a_loop_whose_records_all_leave_at_once(options: Options) -> None:
    env = sage.Environment("straight", **options)
    loop = env.feedback()
    numbers = env.from_iterable(range(100)).union(loop.stream)
    loop.close(numbers.filter(lambda value: value < 0))
    assert sorted(await numbers.to_list()) == list(range(100))


@virtual_time
async def test_a_loop_waits_for_a_source_that_is_silent() -> None:
    async def source() -> AsyncIterator[Any]:
        yield 2
        await asyncio.sleep(1_000)
        yield 3

    env = sage.Environment("silent", **LOCAL)
    assert Counter(await down(env.from_iterable(source()), env.feedback()).to_list()) == countdown(2, 3)


@ENGINES
@pytest.mark.parametrize("parallelism", [2, 3])
@virtual_time
async def test_a_loop_with_parallel_bodies(parallelism: int, options: Options) -> None:
    env = sage.Environment("parallel", **options)
    out = down(env.from_iterable(range(20)), env.feedback(), parallelism=parallelism)
    assert Counter(await out.to_list()) == countdown(*range(20))


@ENGINES
@pytest.mark.parametrize("ordered", [True, False])
@virtual_time
async def test_a_loop_with_async_operators(ordered: bool, options: Options) -> None:
    env = sage.Environment("async", **options)
    loop = env.feedback()
    numbers = env.from_iterable(range(12)).union(loop.stream).map(later, concurrency=3, ordered=ordered, parallelism=2)
    loop.close(numbers.filter(lambda value: value > 0).map(lambda value: value - 1).map(later, concurrency=5))
    assert Counter(await numbers.to_list()) == countdown(*range(12))


@ENGINES
@virtual_time
async def test_records_held_back_inside_a_loop_are_given_out(options: Options) -> None:
    env = sage.Environment("batched", **options)
    loop = env.feedback()
    numbers = env.from_iterable(range(10)).union(loop.stream)
    lists = numbers.batch(7)
    loop.close(lists.flat_map(lambda values: [value - 1 for value in values if value > 0]))
    assert Counter(await numbers.to_list()) == countdown(*range(10))


@ENGINES
@virtual_time
async def test_a_function_over_lists_inside_a_loop(options: Options) -> None:
    async def less_one(values: list[int]) -> list[int]:
        await asyncio.sleep(1)
        return [value - 1 for value in values]

    env = sage.Environment("lists", **options)
    loop = env.feedback()
    numbers = env.from_iterable(range(10)).union(loop.stream)
    loop.close(numbers.filter(lambda value: value > 0).map_batch(less_one, max_size=100, max_wait=1_000_000))
    assert Counter(await numbers.to_list()) == countdown(*range(10))


@ENGINES
@virtual_time
async def test_take_inside_a_loop_ends_it(options: Options) -> None:
    env = sage.Environment("take", **options)
    loop = env.feedback()
    numbers = env.from_iterable([0]).union(loop.stream).take(5)
    loop.close(numbers.map(lambda value: value + 1))  # would go on for ever
    assert await numbers.to_list() == [0, 1, 2, 3, 4]


@ENGINES
@virtual_time
async def test_take_on_the_way_back_ends_it(options: Options) -> None:
    env = sage.Environment("back", **options)
    loop = env.feedback()
    numbers = env.from_iterable([0, 10]).union(loop.stream)
    loop.close(numbers.map(lambda value: value + 1).take(6))
    assert len(await numbers.to_list()) == 8


@ENGINES
@virtual_time
async def test_a_loop_in_a_loop(options: Options) -> None:
    """The outer one counts tens down, the inner one ones."""
    env = sage.Environment("nested", **options)
    outer, inner = env.feedback(name="outer"), env.feedback(name="inner")
    tens = env.from_iterable([(3, 0), (1, 0)]).union(outer.stream)
    pairs = tens.map(lambda pair: (pair[0], 4)).union(inner.stream)
    inner.close(pairs.filter(lambda pair: pair[1] > 0).map(lambda pair: (pair[0], pair[1] - 1)))
    outer.close(
        pairs.filter(lambda pair: pair[1] == 0 and pair[0] > 0).map(lambda pair: (pair[0] - 1, 0), parallelism=2)
    )
    expected = Counter((ten, one) for start in (3, 1) for ten in range(start + 1) for one in range(5))
    assert Counter(await pairs.to_list()) == expected


@ENGINES
@virtual_time
async def test_loops_that_cross(options: Options) -> None:
    """Two ways back lead into different places of one body."""
    env = sage.Environment("crossing", **options)
    even, odd = env.feedback(name="even"), env.feedback(name="odd")
    first = env.from_iterable(range(40)).union(even.stream).map(later, concurrency=4)
    second = first.union(odd.stream).map(lambda value: value, parallelism=2)
    even.close(second.filter(lambda value: value > 0 and value % 2 == 0).map(lambda value: value - 1))
    odd.close(second.filter(lambda value: value % 2 == 1).map(lambda value: value - 1).map(later))
    assert Counter(await second.to_list()) == countdown(*range(40))


@ENGINES
@virtual_time
async def test_one_loop_behind_the_other(options: Options) -> None:
    env = sage.Environment("sequence", **options)
    first = down(env.from_iterable([5, 6]), env.feedback())
    out = down(first, env.feedback(), parallelism=2)
    expected: Counter[int] = Counter()
    for start in countdown(5, 6).elements():
        expected += countdown(start)
    assert Counter(await out.to_list()) == expected


@ENGINES
@virtual_time
async def test_two_loops_of_one_program_that_have_nothing_in_common(options: Options) -> None:
    env = sage.Environment("apart", **options)
    one = down(env.from_iterable([5]), env.feedback()).collect()
    other = down(env.from_iterable([9]), env.feedback()).collect()
    await env.run()
    assert (Counter(one.values), Counter(other.values)) == (countdown(5), countdown(9))


@virtual_time
async def test_what_comes_while_a_probe_waits_its_turn_is_not_forgotten() -> None:
    env = sage.Environment("in between", budget=1e-9, **LOCAL)  # tasks give way behind each batch, so much lies between
    loop = env.feedback()
    numbers = env.from_iterable(range(5)).union(loop.stream).map(lambda value: value - 1)
    loop.close(numbers.filter(lambda value: value > 0))
    assert Counter(await numbers.to_list()) == Counter(value for start in range(5) for value in range(start)) + Counter(
        [-1]
    )


@ENGINES
@virtual_time
async def test_several_ways_back_into_one_head(options: Options) -> None:
    env = sage.Environment("ways", **options)
    loop = env.feedback()
    numbers = env.from_iterable([20]).union(loop.stream)
    less_one = numbers.filter(lambda value: value % 2 == 1).map(lambda value: value - 1).map(later)
    half = numbers.filter(lambda value: value > 0 and value % 2 == 0).map(lambda value: value // 2)
    loop.close(less_one.union(half))
    assert Counter(await numbers.to_list()) == Counter([20, 10, 5, 4, 2, 1, 0])


@ENGINES
@virtual_time
async def test_a_loop_keeps_keys_together(options: Options) -> None:
    env = sage.Environment("keyed", **options)
    loop = env.feedback()
    words = env.from_iterable(["a", "bb", "ccc"] * 3).union(loop.stream)
    counts = words.key_by(lambda word: word).count(parallelism=3)
    loop.close(counts.filter(lambda pair: pair[1] < 10).map(lambda pair: pair[0]))
    out = await counts.to_list()
    for word in ("a", "bb", "ccc"):
        assert [count for key, count in out if key == word] == list(range(1, 13))


@ENGINES
@virtual_time
async def test_a_loop_that_grows_and_shrinks(options: Options) -> None:
    def children(node: str) -> Iterator[str]:
        if len(node) < 7:
            yield node + "0"
            yield node + "1"

    env = sage.Environment("tree", **options)
    loop = env.feedback()
    nodes = env.from_iterable([""]).union(loop.stream).map(lambda node: node, parallelism=2)
    loop.close(nodes.flat_map(children, parallelism=3))
    out = await nodes.to_list()
    assert len(out) == len(set(out)) == 2**8 - 1


@ENGINES
@virtual_time
async def test_what_comes_behind_a_loop_gets_its_end(options: Options) -> None:
    env = sage.Environment("behind", **options)
    out = down(env.from_iterable([4, 4]), env.feedback()).sum(emit="end")
    assert await out.to_list() == [20]


@virtual_time
async def test_a_failure_inside_a_loop_ends_it() -> None:
    env = sage.Environment("failing", **LOCAL)
    loop = env.feedback()
    numbers = env.from_iterable([5]).union(loop.stream).map(lambda value: 1 // value and value - 1, name="divide")
    loop.close(numbers)
    numbers.sink(lambda _: None)
    async with assert_nothing_left():
        with pytest.raises(sage.JobFailed, match="'divide' failed on record 0: ZeroDivisionError"):
            await env.run()


def test_results_at_the_end_are_refused_inside_a_loop() -> None:
    env = sage.Environment("refused")
    loop = env.feedback()
    total = env.from_iterable([1]).union(loop.stream).sum(emit="end", name="total")
    loop.close(total)
    total.sink(print)
    with pytest.raises(sage.GraphError, match=r"operator 'total' lies inside a feedback loop .*; write emit='each'"):
        sage.run(env)


def test_a_loop_that_was_never_closed_is_refused() -> None:
    env = sage.Environment("open")
    loop = env.feedback(name="again")
    env.from_iterable([1]).union(loop.stream).sink(print)
    with pytest.raises(sage.GraphError, match=r"feedback loop 'again' was never closed; write loop.close\(stream\)"):
        sage.run(env)


def test_a_loop_is_closed_once() -> None:
    env = sage.Environment("twice")
    loop = env.feedback(name="again")
    numbers = env.from_iterable([1]).union(loop.stream).map(lambda value: value)
    loop.close(numbers)
    with pytest.raises(sage.GraphError, match="'again' was closed before; send several streams back with a union"):
        loop.close(numbers)
