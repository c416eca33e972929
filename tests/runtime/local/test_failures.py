"""What a failure tells: the job, the operator, the subtask and the record, wherever it happened."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import sage
from sage.runtime.local.wiring import Wiring
from sage.testing import PlainEngine, assert_nothing_left, virtual_time
from sage.transports.memory import MemorySender

ENGINES = pytest.mark.parametrize("engine", [None, PlainEngine()], ids=["local", "plain"])


def bad(value: Any) -> Any:
    if value == 7:
        raise ValueError("seven")
    return value


def not_seven(value: int, targets: int) -> int:
    return targets if value == 7 else 0


async def bad_later(value: Any) -> Any:
    await asyncio.sleep(0)
    return bad(value)


async def bad_generator(value: Any) -> AsyncIterator[Any]:
    yield bad(value)


class Timed(sage.ProcessFunction[int, int]):
    def process(self, value: int, ctx: Any) -> None:
        if value == 7:
            ctx.timers.after(0.001)

    def on_timer(self, timestamp: float, ctx: Any) -> None:
        raise ValueError("seven")


Numbers = sage.Stream[int]
ON_RECORD: dict[str, Callable[[Numbers], Any]] = {
    "map": lambda numbers: numbers.map(bad, name="bad").sink(print),
    "async map": lambda numbers: numbers.map(bad_later, name="bad").sink(print),
    "unordered map": lambda numbers: numbers.map(bad_later, name="bad", ordered=False).sink(print),
    "blocking map": lambda numbers: numbers.map(bad, name="bad", blocking=True).sink(print),
    "filter": lambda numbers: numbers.filter(bad, name="bad").sink(print),
    "flat_map": lambda numbers: numbers.flat_map(lambda value: [bad(value)], name="bad").sink(print),
    "async flat_map": lambda numbers: numbers.flat_map(bad_generator, name="bad").sink(print),
    "process": lambda numbers: numbers.process(lambda value, ctx: ctx.emit(bad(value)), name="bad").sink(print),
    "sink": lambda numbers: numbers.sink(bad, name="bad"),
    "async sink": lambda numbers: numbers.sink(bad_later, name="bad"),
    "key_by": lambda numbers: numbers.key_by(bad, name="bad").count().sink(print),
    "route": lambda numbers: numbers.route(lambda value: str(bad(value)), name="bad")["1"].sink(print),
    "reduce": lambda numbers: numbers.reduce(lambda _, value: bad(value), name="bad").sink(print),
    "partition": lambda numbers: numbers.map(lambda value: value, name="bad").partition(not_seven).sink(print),
    "connect": lambda numbers: numbers.connect(numbers).map(bad, str, name="bad").sink(print),
}


@ENGINES
@pytest.mark.parametrize("program", ON_RECORD)
@virtual_time
async def test_a_failure_on_a_record_names_it(program: str, engine: PlainEngine | None) -> None:
    env = sage.Environment("seven", engine=engine)
    ON_RECORD[program](env.from_iterable([*range(6), 7, 8, 9]).map(lambda value: value))
    async with assert_nothing_left():
        with pytest.raises(sage.JobFailed) as caught:
            await env.run()
    failure = caught.value
    assert (failure.job, failure.operator, failure.subtask, failure.record) == ("seven", "bad", 0, 7)
    where = "partition behind operator 'bad'" if program == "partition" else "operator 'bad'"
    assert str(failure).startswith(f"job 'seven': {where} failed on record 7: ")
    if program == "partition":
        assert isinstance(failure.__cause__, sage.GraphError)
    else:
        assert isinstance(failure.__cause__, ValueError)
        assert str(failure).endswith("ValueError: seven")


@virtual_time
async def test_a_failure_of_a_timer_fails_the_job() -> None:
    async def slowly() -> AsyncIterator[Any]:
        for value in range(6, 100):
            yield value
            await asyncio.sleep(1)

    env = sage.Environment("timer")
    env.from_iterable(slowly()).process(Timed(), name="timed").sink(print)
    with pytest.raises(sage.JobFailed, match=r"operator 'timed' failed on record <?the timer .*ValueError: seven"):
        await env.run()


@ENGINES
@virtual_time
async def test_a_failure_names_its_subtask(engine: PlainEngine | None) -> None:
    env = sage.Environment("subtasks", engine=engine)
    env.from_iterable(range(8)).rebalance().map(bad, name="bad", parallelism=4).sink(print)
    with pytest.raises(sage.JobFailed, match=r"'bad' \(subtask 3 of 4\) failed on record 7: ValueError") as caught:
        await env.run()
    assert caught.value.subtask == 3


@ENGINES
@virtual_time
async def test_a_failure_without_a_text_and_a_long_record(engine: PlainEngine | None) -> None:
    def fail(value: str) -> str:
        raise RuntimeError

    env = sage.Environment("long", engine=engine)
    env.from_iterable(["x" * 10_000]).map(fail, name="fail").sink(print)
    with pytest.raises(sage.JobFailed) as caught:
        await env.run()
    assert str(caught.value).endswith(": RuntimeError")
    assert len(str(caught.value)) < 400
    assert caught.value.record == "x" * 10_000


@ENGINES
@virtual_time
async def test_a_key_that_has_no_group_fails_the_job(engine: PlainEngine | None) -> None:
    env = sage.Environment("keys", engine=engine)
    env.from_iterable([1]).key_by(lambda _: object(), name="by object").count(parallelism=2).sink(print)
    with pytest.raises(sage.JobFailed, match=r"operator 'by object' failed.*has no hash that is stable"):
        await env.run()


@ENGINES
@virtual_time
async def test_what_went_before_a_failure_has_gone_on(engine: PlainEngine | None) -> None:
    letters: list[Any] = []
    env = sage.Environment("letters", engine=engine)
    kept = env.from_iterable(range(10)).map(bad, name="bad", on_error=sage.DeadLetter())
    kept.side_output("dead_letters").sink(letters.append)
    assert await kept.to_list() == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    (letter,) = letters
    assert (letter.value, letter.operator, letter.subtask, letter.attempts) == (7, "bad", 0, 1)
    assert isinstance(letter.error, ValueError)


@ENGINES
@virtual_time
async def test_retries_that_help_and_that_do_not(engine: PlainEngine | None) -> None:
    calls: list[int] = []

    def flaky(value: int) -> int:
        calls.append(value)
        if calls.count(value) < 3:
            raise OSError("again")
        return value

    env = sage.Environment("flaky", engine=engine)
    assert await env.from_iterable([1, 2]).map(flaky, on_error=sage.Retry(attempts=3, delay=60)).to_list() == [1, 2]
    assert calls == [1, 1, 1, 2, 2, 2]

    env = sage.Environment("hopeless", engine=engine)
    env.from_iterable([7]).map(bad, name="bad", on_error=sage.Retry(attempts=5, delay=60)).sink(print)
    with pytest.raises(sage.JobFailed, match="operator 'bad' failed on record 7: ValueError: seven"):
        await env.run()


@virtual_time
async def test_the_first_failure_is_told_and_the_others_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail_when_stopped(value: int) -> int:
        try:
            await asyncio.sleep(1_000_000)
        finally:
            log_out(OSError("second"))
        return value

    env = sage.Environment("two")
    numbers = env.from_iterable(range(3))
    numbers.map(fail_when_stopped, name="stopped").sink(print)
    numbers.map(bad_at_two, name="first").sink(print)
    with pytest.raises(sage.JobFailed, match="operator 'first' failed on record 2: ValueError: two"):
        await env.run()
    assert "second" in caplog.text


def log_out(error: Exception) -> None:
    raise error


async def bad_at_two(value: int) -> int:
    await asyncio.sleep(value)
    if value == 2:
        raise ValueError("two")
    return value


@virtual_time
async def test_a_failure_reaches_whoever_leaves_the_block() -> None:
    env = sage.Environment("untold")
    env.from_iterable([7]).map(bad).sink(print)
    with pytest.raises(sage.JobFailed, match="ValueError: seven"):
        async with env.start() as job:
            await asyncio.sleep(1)
            assert job.status == "failed"


@virtual_time
async def test_a_failure_that_was_told_is_not_told_again() -> None:
    env = sage.Environment("told")
    env.from_iterable([7]).map(bad).sink(print)
    async with env.start() as job:
        with pytest.raises(sage.JobFailed):
            await job.wait()
        with pytest.raises(sage.JobFailed):
            await job.drain()


@virtual_time
async def test_an_error_of_the_block_itself_comes_out_of_it() -> None:
    env = sage.Environment("block")
    env.from_iterable([7]).map(bad).sink(print)
    with pytest.raises(KeyError, match="own"):
        async with env.start():
            await asyncio.sleep(1)
            raise KeyError("own")


@virtual_time
async def test_whoever_iterates_is_told_behind_the_records() -> None:
    env = sage.Environment("iterated")
    seen: list[int] = []
    with pytest.raises(sage.JobFailed, match="ValueError: seven"):
        async with env.from_iterable(range(5, 10)).map(bad).open() as records:
            async for value in records:
                seen.append(value)  # noqa: PERF401  # what came before the failure is kept
    assert seen in ([], [5], [5, 6])


@pytest.mark.parametrize("engine", [PlainEngine(), None], ids=["plain", "local"])
@virtual_time
async def test_a_program_that_cannot_be_built_has_failed(engine: PlainEngine | None) -> None:
    env = sage.Environment("twice", engine=engine)
    env.from_iterable(iter([1])).sink(lambda _: None)
    await env.run()
    async with assert_nothing_left():
        job = env.submit()
        with pytest.raises(sage.GraphError, match=r"'twice', operator 'from_iterable'.* was read by an earlier run"):
            await job.wait()
    assert job.status == "failed"


@virtual_time
async def test_whoever_leaves_the_block_of_a_program_that_cannot_be_built_is_told() -> None:
    env = sage.Environment("twice")
    env.from_iterable(iter([1])).sink(lambda _: None)
    await env.run()
    with pytest.raises(sage.GraphError):
        async with env.start():
            await asyncio.sleep(1)


class Panic(BaseException):
    """As libraries in Rust raise it: no `Exception`."""


def panic(value: Any) -> Any:
    raise Panic("at the disco")


async def panic_later(value: Any) -> Any:
    raise Panic("at the disco")


async def yield_and_panic(value: Any) -> AsyncIterator[Any]:
    yield value
    raise Panic("at the disco")


@pytest.mark.parametrize(
    "write",
    [
        lambda numbers: numbers.map(panic),
        lambda numbers: numbers.map(panic, blocking=True),
        lambda numbers: numbers.map(panic_later),
        lambda numbers: numbers.map(panic_later, on_error=sage.Retry(delay=3_600)),
        lambda numbers: numbers.map(panic_later, timeout=60, ordered=False),
        lambda numbers: numbers.flat_map(yield_and_panic),
        lambda numbers: numbers.map_batch(panic_later, max_size=2),
    ],
    ids=["inline", "in a thread", "async", "to be tried again", "timed", "async generator", "lists"],
)
@virtual_time
async def test_what_is_no_exception_fails_the_job_too(write: Callable[[Numbers], Any]) -> None:
    start = asyncio.get_running_loop().time()
    env = sage.Environment("panic")
    write(env.from_iterable([1, 2])).sink(lambda value: None)
    async with assert_nothing_left():
        with pytest.raises(sage.JobFailed, match="Panic: at the disco"):
            await env.run()
    assert asyncio.get_running_loop().time() == start


@virtual_time
async def test_what_fails_in_the_stretch_of_a_caller_fails_the_job_and_not_the_caller_only() -> None:
    env = sage.Environment("panic")
    env.endpoint("ask").partition(lambda value, targets: panic(value)).map(str, parallelism=2).reply()
    async with assert_nothing_left():
        job = env.start()
        with pytest.raises(sage.JobFailed, match="Panic: at the disco"):
            async with job:
                with pytest.raises(sage.JobFailed, match=r"'ask'.* failed: Panic"):
                    await job.call("ask", 1)
    assert (job.status, job.open_calls) == ("failed", 0)


@virtual_time
async def test_what_fails_in_the_moment_of_a_cancellation_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    waits = asyncio.Event()

    async def source() -> AsyncIterator[int]:
        yield 1
        await waits.wait()
        yield 7
        await asyncio.sleep(1_000)

    env = sage.Environment("cancelled")
    env.from_iterable(source).map(bad, name="bad").sink(lambda _: None)
    job = env.submit()
    await asyncio.sleep(1)
    cancelling = asyncio.ensure_future(job.cancel())
    # Behind that: so the source goes on when the operator was cancelled and does not know it yet.
    asyncio.get_running_loop().call_soon(waits.set)
    await cancelling
    assert job.status == "cancelled"
    assert "bad failed while it was cancelled" in caplog.text
    assert "ValueError: seven" in caplog.text


@virtual_time
async def test_a_channel_that_cannot_be_opened_fails_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(wiring: Wiring, *link: Any) -> Any:
        raise sage.transports.ConnectError("nobody answers", channel="c", address="zmq://c")

    monkeypatch.setattr(Wiring, "_open", fail)
    env = sage.Environment("unreachable")
    env.endpoint("ask").reply()
    job = env.start()
    asking = asyncio.ensure_future(job.call("ask", 1))
    await asyncio.sleep(1)
    with pytest.raises(sage.transports.ConnectError):
        await job.begin().wait()
    assert job.status == "failed"
    with pytest.raises(sage.JobNotRunning, match=r"it has failed: .*nobody answers"):
        await asking


@virtual_time
async def test_a_failure_is_told_although_a_channel_cannot_be_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(sender: MemorySender[Any]) -> None:
        raise OSError("disk full")

    async def source() -> AsyncIterator[int]:
        yield 7
        await asyncio.sleep(1_000)

    monkeypatch.setattr(MemorySender, "aclose", fail)
    env = sage.Environment("seven")
    env.from_iterable(source).map(bad).sink(print)
    with pytest.raises(sage.JobFailed, match="ValueError: seven"):
        await env.run()
    assert "OSError: disk full" in caplog.text


@virtual_time
async def test_a_failure_that_cannot_be_told_is_no_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    def untold(*failure: Any) -> sage.JobFailed:
        raise RuntimeError("no words")

    monkeypatch.setattr("sage.runtime.local.execution.failure_of", untold)
    env = sage.Environment("untold")
    env.from_iterable([7]).map(bad).sink(print)
    job = env.submit()
    with pytest.raises(ExceptionGroup) as caught:
        await job.wait()
    assert [str(error) for error in caught.value.exceptions] == ["no words"]
    assert job.status == "failed"


@pytest.mark.parametrize("where", ["source", "map", "async map", "sink"])
def test_a_function_that_exits_ends_the_program_without_a_word(
    where: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    class Watch(sage.MapFunction[int, int]):
        def map(self, value: int) -> int:
            return value

        def close(self) -> None:
            closed.append("closed")

    def leave(value: Any) -> Any:
        raise SystemExit(3)

    async def leave_later(value: Any) -> Any:
        raise SystemExit(3)

    def numbers() -> Any:
        yield 1
        if where == "source":
            raise SystemExit(3)

    env = sage.Environment("leaving")
    watched = env.from_iterable(numbers).map(Watch)
    given = {"map": leave, "async map": leave_later}.get(where)
    watched = watched if given is None else watched.map(given)
    watched.sink(leave if where == "sink" else lambda value: None)
    with pytest.raises(SystemExit) as exits:
        sage.run(env)
    assert (exits.value.code, closed) == (3, ["closed"])
    assert (capfd.readouterr(), caplog.messages) == (("", ""), [])


class Odd(Exception):
    """One of the program's own."""


@pytest.mark.parametrize("transport", ["zmq", "shm"])
async def test_a_dead_letter_crosses_channels_that_encode(transport: str) -> None:
    def fail(value: int) -> int:
        error = Odd(value) if value else ValueError("nought", value)
        error.add_note("a note")
        raise error

    env = sage.Environment("letters", transport=transport)
    failing = env.from_iterable(range(2)).map(fail, name="fail", on_error=sage.DeadLetter())
    failing.sink(print)
    letters = await failing.side_output("dead_letters").to_list()
    assert [(letter.value, letter.operator, letter.subtask, letter.attempts) for letter in letters] == [
        (0, "fail", 0, 1),
        (1, "fail", 0, 1),
    ]
    assert [(type(letter.error), letter.error.args, letter.error.__notes__) for letter in letters] == [
        (ValueError, ("nought", 0), ["a note"]),
        (Odd, (1,), ["a note"]),
    ]


async def test_a_failure_that_came_before_the_block_was_left_is_told() -> None:
    async def endless() -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1
            await asyncio.sleep(0)

    def fail(value: int) -> None:
        raise ValueError("boom")

    env = sage.Environment("failing")
    env.from_iterable(endless).map(abs).sink(fail)
    job = env.start()
    with pytest.raises(sage.JobFailed, match="boom"):
        async with job:
            execution: Any = job._execution
            while execution._failure is None:  # the others are not closed yet
                await asyncio.sleep(0)
    assert str(job.status) == "failed"
