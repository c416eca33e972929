"""Where streams end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import sage
from sage import operators
from sage.stream import Collected


class Remember(sage.SinkFunction[int]):
    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def sink(self, value: int) -> None:
        self.seen.append(value)

    def close(self) -> None:
        self.seen.append("closed")


async def test_a_function_gets_each_record() -> None:
    seen: list[int] = []
    env = sage.Environment("sink")
    env.from_iterable([1, 2]).sink(seen.append, name="seen", on_error=sage.DeadLetter())
    node = env.logical_graph.nodes[-1]
    assert (node.name, node.operator) == ("seen", operators.Sink(seen.append, on_error=sage.DeadLetter()))
    await env.run()
    assert seen == [1, 2]


async def test_an_async_function_gets_each_record_when_the_one_before_is_done() -> None:
    seen: list[str] = []

    async def deliver(value: int) -> None:
        seen.append(f"begin {value}")
        await asyncio.sleep(0)
        seen.append(f"end {value}")

    env = sage.Environment("sink")
    env.from_iterable([1, 2]).sink(deliver)
    await env.run()
    assert seen == ["begin 1", "end 1", "begin 2", "end 2"]


async def test_a_sink_function_is_closed() -> None:
    seen: list[Any] = []
    env = sage.Environment("sink")
    env.from_iterable([1, 2]).sink(Remember(seen))
    await env.run()
    assert seen == [1, 2, "closed"]


async def test_one_of_the_sinks_that_come_with_sage(tmp_path: Path) -> None:
    env = sage.Environment("file")
    env.from_iterable(["a", "b"]).sink(sage.sinks.file(tmp_path / "lines"), name="write")
    assert env.logical_graph.nodes[-1].name == "write"
    await env.run()
    assert (tmp_path / "lines").read_text(encoding="utf-8") == "a\nb\n"


def test_a_sink_that_comes_with_sage_takes_no_options_of_calls() -> None:
    env = sage.Environment("file")
    with pytest.raises(sage.GraphError, match="sink: print takes no concurrency, on_error; write name and parallelism"):
        env.from_iterable([1]).sink(sage.sinks.stdout(), concurrency=2, on_error=sage.Fail())
    assert len(env.logical_graph.nodes) == 1


def test_a_sink_must_be_made() -> None:
    env = sage.Environment("class")
    with pytest.raises(sage.GraphError, match=r"sink: file describes a sink; make one, as in sink\("):
        env.from_iterable(["a"]).sink(sage.sinks.file)


async def test_print(capsys: pytest.CaptureFixture[str]) -> None:
    env = sage.Environment("print")
    numbers = env.from_iterable([1, 2])
    numbers.print("n = ", name="show")
    assert env.logical_graph.nodes[-1].operator == operators.Print("n = ")
    await env.run()
    assert capsys.readouterr().out == "n = 1\nn = 2\n"


async def test_what_was_collected_is_there_when_the_program_has_run() -> None:
    env = sage.Environment("collect")
    collected = env.from_iterable("ab").collect(name="letters")
    assert type(collected) is Collected
    assert (len(collected), repr(collected)) == (0, "<Collected: 0 records>")
    await env.run()
    assert collected.values == list(collected) == ["a", "b"]
    assert (len(collected), repr(collected)) == (2, "<Collected: 2 records>")
    assert env.logical_graph.nodes[-1].name == "letters"


async def test_a_program_that_runs_anew_collects_anew() -> None:
    env = sage.Environment("again")
    collected = env.from_iterable("ab").collect()
    await env.run()
    await env.run()
    assert collected.values == ["a", "b"]


async def test_to_list_runs_the_whole_program() -> None:
    env = sage.Environment("list")
    numbers = env.from_iterable([1, 2])
    others = numbers.map(str).collect()
    assert await numbers.to_list() == [1, 2]
    assert others.values == ["1", "2"]


async def test_to_list_tells_of_a_failure() -> None:
    env = sage.Environment("failing")
    with pytest.raises(sage.JobFailed, match=r"operator 'map\(int\)' failed on record 'x': ValueError"):
        await env.from_iterable(["1", "x"]).map(int).to_list()


async def test_to_list_leaves_the_program_as_it_was() -> None:
    env = sage.Environment("list")
    numbers = env.from_iterable([1, 2])
    for _ in range(2):
        assert await numbers.to_list() == [1, 2]
    assert [node.name for node in env.logical_graph.nodes] == ["from_iterable"]


async def test_lists_made_at_the_same_time_are_of_runs_of_their_own() -> None:
    env = sage.Environment("lists")
    numbers = env.from_iterable([1, 2])
    same, as_text = await asyncio.gather(numbers.to_list(), numbers.map(str).to_list())
    assert (same, as_text) == ([1, 2], ["1", "2"])
