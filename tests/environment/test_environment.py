"""Where programs are built, and from which they are run."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count
from typing import Any

import pytest

import sage
from sage import operators
from sage.environment import Environment, LocalEnvironment
from sage.graph import Graph
from sage.kernel import ExecutionStatus, OperatorStatistics
from sage.runtime import LocalEngine
from sage.testing import assert_nothing_left


def numbers() -> Iterator[int]:
    yield from range(3)


async def numbers_later() -> AsyncIterator[int]:
    for number in range(3):
        yield number


class Numbers(sage.SourceFunction[int]):
    def run(self) -> Iterator[int]:
        yield from range(3)


def test_a_program_has_a_name() -> None:
    env = Environment("numbers")
    assert env.name == "numbers"
    assert repr(env) == "<Environment 'numbers': 0 operators>"
    env.from_iterable([1]).print()
    assert repr(env) == "<Environment 'numbers': 2 operators>"


def test_a_local_environment_has_the_local_engine() -> None:
    env = LocalEnvironment("local", batch_size=7)
    assert isinstance(env, Environment)
    assert (env.config.engine, env.config.batch_size) == ("local", 7)


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ([0, 1, 2], "from_iterable"),
        (range(3), "from_iterable"),
        (iter(range(3)), "from_iterable"),
        (numbers, "from_iterable(numbers)"),
        (numbers(), "from_iterable"),
        (numbers_later, "from_iterable(numbers_later)"),
        (numbers_later(), "from_iterable"),
        ({0: "a", 1: "b", 2: "c"}, "from_iterable"),
    ],
)
async def test_records_come_from_what_can_be_iterated(source: Any, label: str) -> None:
    env = Environment("iterable")
    stream: sage.Stream[int] = env.from_iterable(source)
    assert stream.names == [label]
    assert await stream.to_list() == [0, 1, 2]


@pytest.mark.parametrize(
    ("source", "label"),
    [(Numbers, "from_source(Numbers)"), (Numbers(), "from_source(Numbers)"), (sage.sources.ticker(0.001, 3), "ticker")],
)
async def test_records_come_from_sources(source: Any, label: str) -> None:
    env = Environment("source")
    stream: sage.Stream[int] = env.from_source(source)
    assert stream.names == [label]
    assert await stream.to_list() == [0, 1, 2]


def test_sources_have_names() -> None:
    env = Environment("names")
    assert env.from_iterable([1], name="one").names == ["one"]
    assert env.from_source(Numbers, name="two").names == ["two"]
    assert env.feedback(name="three").stream.names == ["three"]


async def test_a_container_can_be_read_again() -> None:
    env = Environment("again")
    stream = env.from_iterable([1, 2]).map(str)
    assert await stream.to_list() == ["1", "2"]
    assert await stream.to_list() == ["1", "2"]


async def test_an_iterator_can_be_read_once() -> None:
    env = Environment("once")
    stream = env.from_iterable(numbers()).map(str)
    assert await stream.to_list() == ["0", "1", "2"]
    job = env.start()
    with pytest.raises(
        sage.GraphError, match=r"'once', operator 'from_iterable': .* give a list, or the function that"
    ):
        async with job:
            await job.wait()
    assert job.status == "failed"


def test_an_iterator_is_the_source_of_one_stream() -> None:
    env = Environment("once")
    source = numbers()
    env.from_iterable(source, name="first")
    with pytest.raises(
        sage.GraphError, match="this generator is the source 'first' already, and can be read only once"
    ):
        env.from_iterable(source)
    env.from_iterable(numbers())  # another one


async def test_run_tells_how_it_went() -> None:
    env = Environment("result")
    env.from_iterable(range(5), name="numbers").filter(lambda n: n > 2, name="large").collect(name="all")
    result = await env.run()
    assert (result.name, result.status, result.restarts) == ("result", "finished", 0)
    assert {name: (done.records_in, done.records_out) for name, done in result.operators.items()} == {
        "numbers": (0, 5),
        "large": (5, 2),
        "all": (2, 0),
    }


async def test_run_raises_what_failed() -> None:
    env = Environment("failing")
    env.from_iterable([1, 0]).map(lambda n: 1 / n, name="invert").sink(print)
    with pytest.raises(sage.JobFailed, match="job 'failing': operator 'invert' failed on record 0: ZeroDivisionError"):
        await env.run()


async def test_cancelling_run_cancels_the_job() -> None:
    closed = asyncio.Event()

    class Watch(sage.MapFunction[int, int]):
        def map(self, value: int) -> int:
            return value

        def close(self) -> None:
            closed.set()

    reached = asyncio.Event()
    env = Environment("endless")
    env.from_iterable(count()).map(Watch()).sink(lambda _: reached.set())
    async with assert_nothing_left():
        running = asyncio.create_task(env.run())
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert closed.is_set()


async def test_start_binds_the_job_to_a_block() -> None:
    env = Environment("endless")
    env.from_iterable(count()).sink(lambda _: None)
    async with assert_nothing_left():
        async with env.start() as job:
            assert job.status == "running"
        assert job.status == "cancelled"


async def test_start_refuses_before_the_block_is_entered() -> None:
    with pytest.raises(sage.GraphError, match="nothing to run"):
        Environment("empty").start()


async def test_submit_runs_in_the_background() -> None:
    env = Environment("background")
    collected = env.from_iterable(range(5)).collect()
    job = env.submit()
    assert (job.status, collected.values) == ("running", [])
    result = await job.wait()
    assert (result.id, collected.values) == (job.id, [0, 1, 2, 3, 4])


def test_submit_needs_an_event_loop() -> None:
    env = Environment("outside")
    env.from_iterable([1]).print()
    with pytest.raises(
        sage.GraphError, match=r"env.submit\(\) needs a running event loop; outside of one write sage.run"
    ):
        env.submit()


async def test_programs_run_beside_each_other() -> None:
    async def run(factor: int) -> list[int]:
        return await Environment(f"times {factor}").from_iterable(range(100)).map(lambda n: n * factor).to_list()

    found = await asyncio.gather(*(run(factor) for factor in range(5)))
    assert found == [[n * factor for n in range(100)] for factor in range(5)]


async def test_one_program_runs_twice_at_a_time() -> None:
    env = Environment("twice")
    seen: list[int] = []
    env.from_iterable([1, 2]).sink(seen.append)
    one, other = await asyncio.gather(env.run(), env.run())
    assert one.id != other.id
    assert sorted(seen) == [1, 1, 2, 2]


async def test_batches_and_channels_are_as_large_as_asked_for() -> None:
    seen: list[int] = []

    def note(values: list[int]) -> list[int]:
        seen.append(len(values))
        return values

    env = Environment("sizes", batch_size=64, channel_capacity=8)
    assert env.config.records_per_batch == 8
    await env.from_iterable(range(100)).map_batch(note, 1_000).to_list()
    assert sum(seen) == 100
    assert max(seen) <= 8


class Execution:
    """Runs nothing."""

    status = ExecutionStatus.FINISHED

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        return {}

    @property
    def caller(self) -> Any:
        raise NotImplementedError

    async def ready(self) -> None:
        """Nothing to open."""

    async def run(self) -> None:
        """Nothing to run."""

    def drain(self) -> None:
        """Nothing to drain."""


class Engine:
    def __init__(self) -> None:
        self.prepared: list[tuple[str, Graph]] = []

    def prepare(self, name: str, graph: Graph) -> Execution:
        self.prepared.append((name, graph))
        return Execution(graph)


async def test_an_engine_may_be_given() -> None:
    engine = Engine()
    env = Environment("given", engine=engine)
    env.from_iterable([1]).print()
    result = await env.run()
    assert (result.name, result.operators) == ("given", {})
    ((name, graph),) = engine.prepared
    assert (name, graph.nodes, graph.edges) == ("given", env.logical_graph.nodes, env.logical_graph.edges)


async def test_a_local_engine_may_be_given() -> None:
    env = Environment("given", engine=LocalEngine(Environment("settings", batch_size=2).config))
    assert await env.from_iterable([1, 2, 3]).to_list() == [1, 2, 3]


def test_what_an_environment_is_given_is_kept() -> None:
    env = Environment("kept", engine="auto", transport="memory", batch_size=5, channel_capacity=6, budget=0.5)
    config = env.config
    assert (config.engine, config.transport) == ("auto", "memory")
    assert (config.batch_size, config.channel_capacity, config.budget) == (5, 6, 0.5)


def test_the_source_is_in_the_graph() -> None:
    env = Environment("graph")
    env.from_iterable([1])
    (node,) = env.logical_graph.nodes
    assert node.operator == operators.FromIterable([1])
    assert env.graph().text() == "from_iterable     (source)"


async def test_a_job_is_of_the_program_as_it_was_when_it_started() -> None:
    env = Environment("later")
    numbers = env.from_iterable([1])
    numbers.print(name="show")
    async with env.start() as job:
        later = numbers.collect()
        await job.wait()
    assert list(job.statistics()) == ["from_iterable", "show"]
    assert later.values == []


def test_what_is_added_to_a_copy_is_not_in_the_program() -> None:
    env = sage.LocalEnvironment("original", batch_size=5)
    env.from_iterable([1])
    copied = env.copy()
    copied.from_iterable([2])
    copied.register_service_factory("echo", lambda: pytest.fail("nobody asked for it"))
    assert (type(copied), copied.name, copied.config) == (type(env), env.name, env.config)
    assert (len(env.logical_graph.nodes), len(copied.logical_graph.nodes)) == (1, 2)
    assert (env.service_names, copied.service_names) == ([], ["echo"])


async def test_results_that_nobody_reads_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    env = Environment("dropped")
    numbers = env.from_iterable([1])
    numbers.map(str)
    numbers.inspect(str)
    numbers.process(print)
    numbers.filter(bool).print()
    listed = numbers.map(float)
    with caplog.at_level("WARNING", "sage.environment"):
        assert await listed.to_list() == [1.0]
        await env.run()
    told = "nobody reads what operator 'map(str)' makes, so it is dropped; end the stream with .sink(...), .collect()"
    assert [record.message.startswith(f"program 'dropped': {told}") for record in caplog.records] == [True, True]
