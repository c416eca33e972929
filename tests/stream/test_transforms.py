"""What leads from one stream to another: each method adds the right operator and gives the right records."""

import datetime
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import sage
from sage import operators
from sage.stream import KeyedStream, Stream


def pair(number: int) -> Iterator[int]:
    yield number
    yield -number


async def later(number: int) -> int:
    return number * 10


async def is_odd_later(number: int) -> bool:
    return number % 2 == 1


async def pair_later(number: int) -> AsyncIterator[int]:
    yield number
    yield -number


async def doubled_later(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def is_odd(number: int) -> bool:
    return number % 2 == 1


def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def ignore(number: int) -> None:
    """Nothing."""


def emit_twice(number: int, ctx: Any) -> None:
    ctx.emit(number)
    ctx.emit(number)


class Increment(sage.MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value + 1


Build = Callable[[Stream[int]], Stream[Any]]

CASES: list[tuple[Build, Any, str, list[Any]]] = [
    (lambda s: s.map(str), operators.Map(str), "map(str)", ["1", "2", "3"]),
    (lambda s: s.map(later, concurrency=2), operators.Map(later, concurrency=2), "map(later)", [10, 20, 30]),
    (lambda s: s.map(Increment), operators.Map(Increment), "map(Increment)", [2, 3, 4]),
    (lambda s: s.map(abs, blocking=True), operators.Map(abs, blocking=True), "map(abs)", [1, 2, 3]),
    (lambda s: s.filter(is_odd), operators.Filter(is_odd), "filter(is_odd)", [1, 3]),
    (lambda s: s.filter(is_odd_later), operators.Filter(is_odd_later), "filter(is_odd_later)", [1, 3]),
    (lambda s: s.flat_map(pair), operators.FlatMap(pair), "flat_map(pair)", [1, -1, 2, -2, 3, -3]),
    (lambda s: s.flat_map(pair_later), operators.FlatMap(pair_later), "flat_map(pair_later)", [1, -1, 2, -2, 3, -3]),
    (lambda s: s.inspect(ignore), operators.Inspect(ignore), "inspect(ignore)", [1, 2, 3]),
    (lambda s: s.process(emit_twice), operators.Process(emit_twice), "process(emit_twice)", [1, 1, 2, 2, 3, 3]),
    (lambda s: s.batch(2), operators.Gather(2), "batch", [[1, 2], [3]]),
    (lambda s: s.batch(5, max_wait=0.01), operators.Gather(5, 0.01), "batch", [[1, 2, 3]]),
    (lambda s: s.map_batch(doubled, 2), operators.MapBatch(doubled, max_size=2), "map_batch(doubled)", [2, 4, 6]),
    (
        lambda s: s.map_batch(doubled_later, 2, 1.5, timeout=9),
        operators.MapBatch(doubled_later, max_size=2, max_wait=1.5, timeout=9),
        "map_batch(doubled_later)",
        [2, 4, 6],
    ),
    (lambda s: s.take(2), operators.Take(2), "take", [1, 2]),
    (lambda s: s.skip(2), operators.Skip(2), "skip", [3]),
    (lambda s: s.throttle(1_000_000, burst=3), operators.Throttle(1_000_000, 3), "throttle", [1, 2, 3]),
]


@pytest.mark.parametrize(
    ("build", "operator", "name", "values"), CASES, ids=lambda part: part if type(part) is str else ""
)
async def test_each_method_adds_its_operator(build: Build, operator: Any, name: str, values: list[Any]) -> None:
    env = sage.Environment("steps")
    stream = build(env.from_iterable([1, 2, 3]))
    assert type(stream) is Stream
    node = env.logical_graph.nodes[-1]
    assert (node.operator, node.name, node.parallelism) == (operator, name, 1)
    assert stream.names == [name]
    assert await stream.to_list() == values


@pytest.mark.parametrize(
    "build",
    [
        lambda s: s.map(str, name="step", parallelism=2),
        lambda s: s.filter(is_odd, name="step", parallelism=2),
        lambda s: s.flat_map(pair, name="step", parallelism=2),
        lambda s: s.inspect(ignore, name="step", parallelism=2),
        lambda s: s.process(emit_twice, name="step", parallelism=2),
        lambda s: s.batch(2, name="step", parallelism=2),
        lambda s: s.map_batch(doubled, 2, name="step", parallelism=2),
        lambda s: s.key_by(is_odd, name="step", parallelism=2),
        lambda s: s.route(str, name="step", parallelism=2)["1"],
        lambda s: s.connect(s).map(str, str, name="step", parallelism=2),
    ],
)
def test_each_operator_has_a_name_and_a_parallelism(build: Build) -> None:
    env = sage.Environment("steps")
    build(env.from_iterable([1, 2, 3]))
    node = env.logical_graph.nodes[-1]
    assert (node.name, node.parallelism) == ("step", 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [("concurrency", 1), ("ordered", False), ("timeout", 2.5), ("on_error", sage.DeadLetter())],
)
def test_process_takes_the_options_of_the_others(option: str, value: Any) -> None:
    async def function(number: int, ctx: Any) -> None:
        ctx.emit(number)

    env = sage.Environment("options")
    options: Any = {option: value}
    env.from_iterable([1]).process(function, **options)
    assert getattr(env.logical_graph.nodes[-1].operator, option) == value


async def test_process_sets_failed_records_aside() -> None:
    def invert(number: int, ctx: Any) -> None:
        ctx.emit(1 / number)

    env = sage.Environment("aside")
    stream = env.from_iterable([1, 0, 2]).process(invert, on_error=sage.DeadLetter())
    good, dead = stream.collect(), stream.side_output("dead_letters").collect()
    await env.run()
    assert good.values == [1.0, 0.5]
    assert [letter.value for letter in dead] == [0]


async def test_a_process_function_emits_to_side_outputs() -> None:
    def part(number: int, ctx: Any) -> None:
        ctx.emit(number, output="odd" if number % 2 else None)

    env = sage.Environment("sides")
    stream = env.from_iterable([1, 2, 3]).process(part)
    main, odd = stream.collect(), stream.side_output("odd").collect()
    await env.run()
    assert (main.values, odd.values) == ([2], [1, 3])


def test_durations_may_be_timedeltas() -> None:
    env = sage.Environment("durations")
    source = env.from_iterable([1])
    source.map(later, timeout=datetime.timedelta(minutes=1))
    source.batch(2, datetime.timedelta(milliseconds=5))
    source.map_batch(doubled, 2, datetime.timedelta(seconds=3))
    _, timed, gathered, listed = (node.operator for node in env.logical_graph.nodes)
    assert timed == operators.Map(later, timeout=60.0)
    assert gathered == operators.Gather(2, 0.005)
    assert listed == operators.MapBatch(doubled, max_size=2, max_wait=3.0)


async def test_a_union_adds_no_operator() -> None:
    env = sage.Environment("union")
    one, two, three = (env.from_iterable([n]) for n in (1, 2, 3))
    united = one.union(two, three)
    assert len(env.logical_graph.nodes) == 3
    assert united.names == ["from_iterable", "from_iterable#2", "from_iterable#3"]
    assert repr(united) == "<Stream of from_iterable, from_iterable#2, from_iterable#3 in 'union'>"
    assert sorted(await united.map(str).to_list()) == ["1", "2", "3"]


async def test_a_stream_united_with_itself_has_its_records_twice() -> None:
    env = sage.Environment("twice")
    numbers = env.from_iterable([1, 2])
    assert sorted(await numbers.union(numbers).to_list()) == [1, 1, 2, 2]


async def test_key_by_makes_a_keyed_stream() -> None:
    env = sage.Environment("keyed")
    keyed = env.from_iterable([1, 2, 3]).key_by(is_odd)
    assert type(keyed) is KeyedStream
    assert env.logical_graph.nodes[-1].operator == operators.KeyBy(is_odd)
    assert await keyed.to_list() == [1, 2, 3]


async def test_a_stream_may_be_read_by_several() -> None:
    env = sage.Environment("several")
    numbers = env.from_iterable([1, 2, 3])
    negative, text = numbers.map(lambda n: -n).collect(), numbers.map(str).collect()
    await env.run()
    assert (negative.values, text.values) == ([-1, -2, -3], ["1", "2", "3"])


def test_a_side_output_is_one_that_the_operator_has() -> None:
    env = sage.Environment("sides")
    source = env.from_iterable([1])
    with pytest.raises(sage.GraphError, match=r"operator 'map\(str\)' has no side output 'late'; it has none$"):
        source.map(str).side_output("late")
    with pytest.raises(sage.GraphError, match=r"it has none; write on_error=sage.DeadLetter\(\) to have one"):
        source.map(repr).side_output("dead_letters")
    with pytest.raises(sage.GraphError, match="it has 'dead_letters'"):
        source.map(ascii, on_error=sage.DeadLetter()).side_output("late")
    united = source.map(hex).union(source.map(oct))
    with pytest.raises(
        sage.GraphError, match=r"this stream is a union; ask each of map\(hex\), map\(oct\) for its own"
    ):
        united.side_output("late")
    assert source.process(emit_twice).side_output("any").names == ["process(emit_twice)"]
