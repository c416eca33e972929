"""What a graph must fulfil before it runs, and what is said when it does not."""

from pathlib import Path

import pytest

import sage
from sage.graph import Graph, validate


def check(env: sage.Environment) -> None:
    validate(env.logical_graph, env.name)


def test_a_program_does_something() -> None:
    with pytest.raises(sage.GraphError, match=r"^program 'empty' has nothing to run; write env.from_iterable"):
        validate(Graph(), "empty")


def test_a_program_delivers_something() -> None:
    env = sage.Environment("idle")
    env.from_iterable([1])
    with pytest.raises(
        sage.GraphError,
        match=r"^program 'idle' delivers nothing anywhere; end one of its streams \('from_iterable'\) with .sink",
    ):
        check(env)


def test_a_stream_that_nobody_reads_is_no_mistake_beside_a_sink() -> None:
    env = sage.Environment("beside")
    numbers = env.from_iterable([1])
    numbers.map(str)
    numbers.collect()
    check(env)


def test_a_last_step_is_as_good_as_a_sink() -> None:
    env = sage.Environment("last")
    env.from_iterable([1]).map(print)
    check(env)


def test_a_loop_is_closed() -> None:
    env = sage.Environment("open")
    env.feedback(name="again").stream.print()
    with pytest.raises(
        sage.GraphError, match=r"^the feedback loop 'again' was never closed; write loop.close\(stream\)$"
    ):
        check(env)


def test_nothing_inside_a_loop_waits_for_its_end() -> None:
    def program(emit: str, inside: bool) -> sage.Environment:
        env = sage.Environment("loop")
        loop = env.feedback()
        step = env.from_iterable([1]).union(loop.stream).map(abs)
        total = step.sum(emit=emit, name="total")  # type: ignore[arg-type]
        loop.close(total if inside else step)
        total.print()
        return env

    check(program("each", inside=True))
    check(program("end", inside=False))
    with pytest.raises(
        sage.GraphError, match=r"^operator 'total' lies inside a feedback loop .* write emit='each', or move"
    ):
        check(program("end", inside=True))


def test_forward_needs_equal_parallelism() -> None:
    env = sage.Environment("forward")
    env.from_iterable([1]).map(abs, name="one", parallelism=2).forward().map(abs, name="other", parallelism=3).print()
    with pytest.raises(
        sage.GraphError,
        match=r"forward\(\) from 'one' \(parallelism 2\) to 'other' \(parallelism 3\) needs equal parallelism; "
        r"write rebalance\(\) or rescale\(\)$",
    ):
        check(env)


def test_two_sinks_do_not_write_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = sage.Environment("files")
    numbers = env.from_iterable(["1"])
    numbers.sink(sage.sinks.file("a"), name="first")
    numbers.sink(sage.sinks.file("b"), name="other")
    check(env)
    numbers.sink(sage.sinks.file(tmp_path / "a", append=True), name="second")
    with pytest.raises(sage.GraphError, match=r"'first' and 'second' would both write '.*a'.*or write the union"):
        check(env)
