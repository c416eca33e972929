"""A program run in front of a person."""

import asyncio
import io
import signal
from collections.abc import AsyncIterator

import pytest
from rich.console import Console

import sage
from sage.cli.progress import run_with_progress


def hello() -> sage.Environment:
    env = sage.Environment("hello")
    env.from_iterable(range(10), name="numbers").filter(lambda x: x % 2 == 0, name="even").collect(name="out")
    return env


class Shown(io.StringIO):
    """A file that tells of what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, asyncio.Event] = {}
        self._loop = asyncio.get_running_loop()

    def write(self, text: str) -> int:
        for word, event in self.words.items():
            if word in text:
                self._loop.call_soon_threadsafe(event.set)
        return super().write(text)

    async def wait_for(self, word: str) -> None:
        await self.words.setdefault(word, asyncio.Event()).wait()


async def test_returns_the_result_and_shows_a_summary() -> None:
    file = io.StringIO()
    result = await run_with_progress(hello(), Console(file=file))
    assert result.status == "finished"
    assert {name: done.records_in for name, done in result.operators.items()} == {"numbers": 0, "even": 10, "out": 5}
    headline, *lines = file.getvalue().splitlines()
    assert headline.startswith("job 'hello' finished, ")
    assert [line.split()[2:6] for line in lines] == [
        ["numbers", "in", "0", "out"],
        ["even", "in", "10", "out"],
        ["out", "in", "5", "out"],
    ]


async def test_without_the_summary() -> None:
    file = io.StringIO()
    await run_with_progress(hello(), Console(file=file), summary=False)
    assert file.getvalue() == ""


async def test_as_a_table() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=90)
    await run_with_progress(hello(), console, live=True)
    *_, numbers, even, out = file.getvalue().splitlines()
    assert [line.split()[:3] for line in (numbers, even, out)] == [
        ["numbers", "0", "10"],
        ["even", "10", "5"],
        ["out", "5", "0"],
    ]


async def test_shows_how_it_gets_on_until_it_is_drained() -> None:
    file = Shown()

    async def source() -> AsyncIterator[int]:
        yield 1
        await file.wait_for("out           1")  # the line of the source, while it runs
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    env = sage.Environment("endless")
    env.from_iterable(source).collect()
    result = await run_with_progress(env, Console(file=file, width=200), interval=0.01)
    assert result.status == "finished"
    assert "draining; press Ctrl-C again to cancel\n" in file.getvalue()
    assert "job 'endless' finished, " in file.getvalue()


@pytest.mark.parametrize("live", [True, False])
async def test_the_table_is_drawn_while_it_runs(live: bool) -> None:
    file = Shown()

    async def source() -> AsyncIterator[int]:
        yield 1
        await file.wait_for("job 'endless' running" if live else "out           1")

    env = sage.Environment("endless")
    env.from_iterable(source).collect()
    console = Console(file=file, force_terminal=True, color_system=None, width=100)
    assert (await run_with_progress(env, console, live=live, interval=0.01)).status == "finished"


async def test_a_failure_is_raised_after_the_summary() -> None:
    env = sage.Environment("failing")
    env.from_iterable([0]).map(lambda x: 1 / x, name="divide").collect()
    file = io.StringIO()
    with pytest.raises(sage.JobFailed, match="divide"):
        await run_with_progress(env, Console(file=file))
    assert "job 'failing' failed, " in file.getvalue()


async def test_a_program_that_cannot_run_shows_nothing() -> None:
    file = io.StringIO()
    with pytest.raises(sage.GraphError):
        await run_with_progress(sage.Environment("bare"), Console(file=file))
    assert file.getvalue() == ""


async def test_when_it_is_cancelled_so_is_the_job() -> None:
    started, ended = asyncio.Event(), list[str]()

    async def source() -> AsyncIterator[int]:
        try:
            yield 1
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    env = sage.Environment("endless")
    env.from_iterable(source).collect()
    handler = signal.getsignal(signal.SIGINT)
    running = asyncio.create_task(run_with_progress(env, Console(file=io.StringIO())))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == ["closed"]
    assert signal.getsignal(signal.SIGINT) is handler
