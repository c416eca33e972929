"""What functions start beside their operator ends with it."""

import asyncio

import pytest

import sage
from sage.started import Started
from sage.testing import PlainEngine, assert_nothing_left, virtual_time


@virtual_time
async def test_what_was_started_is_waited_for_or_cancelled() -> None:
    started = Started()
    short, long = started.start(asyncio.sleep(1, "slept")), started.start(asyncio.sleep(1_000))
    waiting = asyncio.ensure_future(started.wait())
    await asyncio.sleep(2)
    assert short.result() == "slept"
    waiting.cancel()
    await asyncio.sleep(0)
    assert not long.done()
    await started.cancel()
    assert long.cancelled()
    await started.wait()
    await started.cancel()


class Diary(sage.Service):
    """Takes its time."""

    lines: list[str] = []  # noqa: RUF012  # read by the tests

    async def write(self, line: str) -> None:
        await asyncio.sleep(60)
        self.lines.append(line)


class Noting(sage.MapFunction[str, str]):
    """Starts a call for each record, and forgets it."""

    def map(self, value: str) -> str:
        self.call_service_async("diary", "write", value)
        return value


def noting(engine: PlainEngine | None) -> sage.Environment:
    Diary.lines.clear()
    env = sage.Environment("noting", engine=engine)
    env.register_service("diary", Diary)
    env.from_iterable(["one", "two"]).map(Noting).sink(lambda value: None)
    return env


ENGINES = pytest.mark.parametrize("engine", [None, PlainEngine()], ids=["local", "plain"])


@ENGINES
@virtual_time
async def test_a_job_ends_behind_the_calls_that_nobody_has_awaited(engine: PlainEngine | None) -> None:
    async with assert_nothing_left():
        await noting(engine).run()
    assert Diary.lines == ["one", "two"]


@ENGINES
@virtual_time
async def test_a_cancelled_job_cancels_them(engine: PlainEngine | None) -> None:
    async with assert_nothing_left(), noting(engine).start() as job:
        await asyncio.sleep(30)
        await job.cancel()
    await asyncio.sleep(1_000)
    assert Diary.lines == []
