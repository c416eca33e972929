"""The life of a job in one event loop: all open before the first record, all closed after the last."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.runtime.gate import Gate
from sage.testing import assert_nothing_left, virtual_time
from tests.runtime.local.recording import Recorder, RecordingSource, turns


class Slow(Recorder):
    """Opens and closes late."""

    async def open(self, context: Any) -> None:
        await asyncio.sleep(5)
        super().open(context)

    async def close(self) -> None:
        await asyncio.sleep(5)
        super().close()


@virtual_time
async def test_all_are_open_before_the_first_record_and_each_is_closed_once() -> None:
    log: list[str] = []
    env = sage.Environment("life")
    stream = env.from_source(RecordingSource(log, 3)).map(Recorder(log, "a")).map(Slow(log, "b"))
    stream.map(Recorder(log, "c")).sink(lambda _: log.append("sink"))
    async with assert_nothing_left():
        await env.run()
    opened = [log.index(f"open {name}") for name in ("source", "a", "b", "c")]
    assert max(opened) < min(log.index("map a"), log.index("sink"))
    assert Counter(log) == Counter(
        {f"{event} {name}": 1 for event in ("open", "close") for name in ("source", "a", "b", "c")}
        | {f"map {name}": 3 for name in "abc"}
        | {"sink": 3, "end source": 1}
    )
    assert log.index("map c") < log.index("close c")
    assert log[-1] == "close b", "the job has ended before the slow one was closed"


@virtual_time
async def test_each_subtask_opens_and_closes_a_function_of_its_own() -> None:
    log: list[str] = []
    env = sage.Environment("subtasks")
    out = await env.from_iterable(range(7)).map(Recorder(log, "a"), parallelism=3).to_list()
    assert sorted(out) == list(range(7))
    assert Counter(log) == {"open a": 3, "map a": 7, "close a": 3}


@virtual_time
async def test_a_program_without_records_opens_and_closes_as_well() -> None:
    log: list[str] = []
    env = sage.Environment("empty")
    out = await env.from_iterable([]).map(Recorder(log, "a")).to_list()
    assert (out, log) == ([], ["open a", "close a"])


@virtual_time
async def test_a_failure_in_open_closes_what_was_opening_and_runs_nothing() -> None:
    class Broken(Recorder):
        async def open(self, context: Any) -> None:
            super().open(context)
            await asyncio.sleep(1)
            raise OSError("no model")

    log: list[str] = []
    env = sage.Environment("unopened")
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(Broken(log, "b"), name="broken").sink(print)
    async with assert_nothing_left():
        with pytest.raises(sage.JobFailed, match="operator 'broken' failed: OSError: no model") as caught:
            await env.run()
    assert (caught.value.operator, caught.value.record) == ("broken", None)
    assert not [event for event in log if event.startswith("map")]
    assert Counter(event for event in log if "open" in event or "close" in event) == Counter(
        f"{event} {name}" for event in ("open", "close") for name in ("source", "a", "b")
    )


@virtual_time
async def test_a_failure_while_running_closes_all() -> None:
    class Broken(Recorder):
        def map(self, value: Any) -> Any:
            return 1 // (2 - value)

    log: list[str] = []
    env = sage.Environment("broken")
    env.from_source(RecordingSource(log)).map(Recorder(log, "a")).map(Broken(log, "b")).map(Slow(log, "c")).sink(
        lambda _: None
    )
    async with assert_nothing_left():
        with pytest.raises(sage.JobFailed, match="ZeroDivisionError"):
            await env.run()
    closed = [event for event in log if event.startswith(("close", "end"))]
    assert sorted(closed) == ["close a", "close b", "close c", "close source", "end source"]


@virtual_time
async def test_an_error_in_close_fails_the_job() -> None:
    class Broken(Recorder):
        async def close(self) -> None:
            super().close()
            raise OSError("disk full")

    log: list[str] = []
    env = sage.Environment("unclosed")
    env.from_iterable([1]).map(Recorder(log, "a")).map(Broken(log, "b"), name="broken").map(Recorder(log, "c")).sink(
        print
    )
    with pytest.raises(sage.JobFailed, match="operator 'broken' failed: OSError: disk full"):
        await env.run()
    assert {"close a", "close b", "close c"} <= set(log)


@virtual_time
async def test_errors_in_close_after_a_failure_are_told_and_do_not_hide_it(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorder):
        def close(self) -> None:
            super().close()
            raise OSError(f"{self.label} is stuck")

    def fail(value: Any) -> Any:
        raise ValueError("first")

    log: list[str] = []
    env = sage.Environment("unclosed")
    env.from_source(RecordingSource(log)).map(Broken(log, "a")).map(fail, name="failing").map(Broken(log, "c")).sink(
        print
    )
    with pytest.raises(sage.JobFailed, match="operator 'failing' failed on record 0: ValueError: first"):
        await env.run()
    told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert sorted(told) == ["a is stuck", "c is stuck"]


@pytest.mark.parametrize("follows", [OSError, asyncio.CancelledError])
@virtual_time
async def test_the_error_of_a_function_is_not_hidden_by_that_of_its_own_close(
    follows: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Recorder):
        def map(self, value: Any) -> Any:
            raise ValueError("the cause")

        def close(self) -> None:
            raise follows("what follows from it")

    env = sage.Environment("hidden")
    env.from_iterable([1]).map(Broken([], "a")).sink(print)
    with pytest.raises(sage.JobFailed) as caught:
        await env.run()
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.record == 1
    assert "what follows from it" in caplog.text


@virtual_time
async def test_a_function_is_closed_although_its_channel_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(gate: Gate) -> None:
        raise sage.transports.BrokenChannel("the peer is gone", channel="c", address="zmq://c")

    monkeypatch.setattr(Gate, "aclose", fail)
    log: list[str] = []
    env = sage.Environment("broken")
    env.from_iterable([1]).map(Recorder(log, "a")).sink(lambda _: None)
    with pytest.raises(sage.JobFailed, match="the peer is gone"):
        await env.run()
    assert "close a" in log


@virtual_time
async def test_an_error_in_close_after_a_cancellation_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorder):
        def close(self) -> None:
            raise OSError("stuck")

    env = sage.Environment("cancelled")
    env.from_source(RecordingSource([])).map(Broken([], "a")).sink(lambda _: None)
    async with assert_nothing_left(), env.start() as job:
        await turns()
        await job.cancel()
    assert job.status == "cancelled"
    assert "stuck" in caplog.text


@virtual_time
async def test_an_error_of_a_source_that_is_closed_by_a_cancellation_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def source() -> AsyncIterator[Any]:
        try:
            yield 1
            await asyncio.sleep(1_000)
        finally:
            raise OSError("connection lost")

    env = sage.Environment("source")
    env.from_iterable(source()).sink(lambda _: None)
    async with env.start() as job:
        await asyncio.sleep(1)
        await job.cancel()
    gc.collect()
    told = [record for record in caplog.records if record.exc_info and "connection lost" in str(record.exc_info[1])]
    assert [record.name.partition(".")[0] for record in told] == ["sage"], (
        "left to asyncio, which tells when it is collected"
    )


@virtual_time
async def test_a_failure_in_a_source_comes_behind_its_records() -> None:
    def plain() -> Any:
        yield from range(3)
        raise OSError("end of tape")

    async def awaiting() -> AsyncIterator[Any]:
        for number in range(3):
            yield number
        raise OSError("end of tape")

    for source in (plain, awaiting):
        out: list[int] = []
        env = sage.Environment("tape")
        env.from_iterable(source, name="tape").sink(out.append)
        with pytest.raises(sage.JobFailed, match="operator 'tape' failed: OSError: end of tape"):
            await env.run()
        assert out == list(range(len(out)))  # those on their way when the job failed may be lost


@virtual_time
async def test_a_source_that_cannot_be_made() -> None:
    def source() -> Any:
        raise OSError("no such topic")

    env = sage.Environment("unmade")
    env.from_iterable(source, name="topic").sink(print)
    with pytest.raises(sage.JobFailed, match="operator 'topic' failed: OSError: no such topic"):
        await env.run()
