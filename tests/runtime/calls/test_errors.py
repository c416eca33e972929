"""What goes wrong for one request is told to whoever made it, and to nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import sage
from sage.operators.errors import InvalidOperator
from sage.testing import virtual_time
from tests.runtime.calls.asking import asking, turns


def divide(value: int) -> float:
    return 6 / value


async def divide_later(value: int) -> float:
    await asyncio.sleep(0.001)
    return 6 / value


def dividing(value: int) -> Iterator[float]:
    yield 6 / value


async def dividing_later(value: int) -> AsyncIterator[float]:
    yield 6 / value


async def divide_each(values: list[int]) -> list[Any]:
    await asyncio.sleep(0.001)
    return [ZeroDivisionError("none") if not value else 6 / value for value in values]


def emit(value: int, ctx: Any) -> None:
    ctx.emit(6 / value)


async def emit_later(value: int, ctx: Any) -> None:
    await asyncio.sleep(0)
    ctx.emit(6 / value)


def spread(stream: Any, choose: Callable[[int, int], int]) -> Any:
    return stream.partition(choose).map(lambda v: v, parallelism=2)


def before(stream: Any) -> Any:
    return stream.map(lambda v: v, name="before")


# Each fails for 0 and for nothing else; by the name of the operator that is to be told.
FAILING: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "map": ("failing", lambda s: s.map(divide, name="failing")),
    "map_async": ("failing", lambda s: s.map(divide_later, name="failing")),
    "map_unordered": ("failing", lambda s: s.map(divide_later, ordered=False, name="failing")),
    "map_blocking": ("failing", lambda s: s.map(divide, blocking=True, name="failing")),
    "filter": ("failing", lambda s: s.filter(divide, name="failing")),
    "inspect": ("failing", lambda s: s.inspect(divide, name="failing")),
    "flat_map": ("failing", lambda s: s.flat_map(lambda v: [6 / v], name="failing")),
    "flat_map_generator": ("failing", lambda s: s.flat_map(dividing, name="failing")),
    "flat_map_async_generator": ("failing", lambda s: s.flat_map(dividing_later, name="failing")),
    "map_batch_each": ("failing", lambda s: s.map_batch(divide_each, max_size=8, max_wait=0.1, name="failing")),
    "key_by": ("failing", lambda s: s.key_by(divide, name="failing")),
    "route": ("failing", lambda s: s.route(lambda v: str(6 // v) and "main", name="failing")["main"]),
    "process": ("failing", lambda s: s.process(emit, name="failing")),
    "process_async": ("failing", lambda s: s.process(emit_later, name="failing")),
    "sum": ("failing", lambda s: s.sum(divide, name="failing")),
    "fold": ("failing", lambda s: s.fold(0, lambda a, v: a + 6 / v, name="failing")),
    "distinct": ("failing", lambda s: s.distinct(divide, name="failing")),
    "retry": ("failing", lambda s: s.map(divide, on_error=sage.Retry(2), name="failing")),
    "retry_async": ("failing", lambda s: s.map(divide_later, on_error=sage.Retry(2), name="failing")),
    "retry_flat_map": ("failing", lambda s: s.flat_map(dividing, on_error=sage.Retry(2), name="failing")),
    "sink": ("failing", lambda s: (s.sink(divide, name="failing"), s)[1]),
    "partition": ("before", lambda s: spread(before(s), lambda v, n: 6 // v * 0)),
    "partition_at_the_endpoint": ("x", lambda s: spread(s, lambda v, n: 6 // v * 0)),
    "partition_to_nowhere": ("before", lambda s: spread(before(s), lambda v, n: 0 if v else 9)),
    "key_that_cannot_be": ("keys", lambda s: s.key_by(lambda v: v or [], name="keys").map(lambda v: v, parallelism=2)),
}


@pytest.mark.parametrize("kind", FAILING)
@virtual_time
async def test_an_error_is_told_to_its_caller_only(kind: str) -> None:
    operator, step = FAILING[kind]
    env = sage.Environment("errors")
    step(env.endpoint("x")).reply()
    async with asking(env) as hall:
        for _ in range(2):
            one, bad, two = await asyncio.wait_for(hall.ask("x", 1, 0, 2), 100)
            assert (len(one), len(two)) in ((1, 1), (0, 1), (1, 0), (0, 0) if kind == "distinct" else (1, 1))
            assert isinstance(bad, Exception)
            assert f"in operator '{operator}" in "".join(bad.__notes__)
            assert hall.job.status == "running"


@virtual_time
async def test_a_list_that_fails_whole_fails_all_of_its_calls() -> None:
    async def fail(values: list[int]) -> list[int]:
        if 0 in values:
            raise ConnectionError("away")
        return values

    env = sage.Environment("errors")
    env.endpoint("x").map_batch(fail, max_size=2, max_wait=1).reply()
    async with asking(env) as hall:
        answers = await hall.ask("x", 1, 0, 2, 3)
        assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError, list, list]


@virtual_time
async def test_what_came_before_the_error_is_read_first() -> None:
    async def half(value: int) -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("half way")

    env = sage.Environment("half")
    env.endpoint("x").flat_map(half).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("x", 0)
        assert [await anext(answer), await anext(answer)] == [1, 2]
        with pytest.raises(ValueError, match="half way"):
            await anext(answer)


@virtual_time
async def test_a_cancellation_from_within_is_an_error_of_the_call() -> None:
    async def stop(value: int) -> int:
        if not value:
            raise asyncio.CancelledError
        return value

    env = sage.Environment("within")
    env.endpoint("x").map(stop).reply()
    async with asking(env) as hall:
        bad, good = await hall.ask("x", 0, 1)
        assert isinstance(bad, RuntimeError)
        assert good == [1]


@pytest.mark.parametrize("is_async", [False, True])
@virtual_time
async def test_a_wrong_program_fails_the_job_and_all_are_told(is_async: bool) -> None:
    def wrong(value: Any) -> Any:
        return None if value == "wrong" else [value]

    async def wrong_later(value: Any) -> Any:
        await asyncio.sleep(1_000 if value == "waits" else 0)
        return wrong(value)

    env = sage.Environment("wrong")
    function: Any = wrong_later if is_async else wrong
    env.endpoint("x").flat_map(function, name="bad").map(wait_long).reply()
    with pytest.raises(sage.JobFailed, match="bad"):
        async with asking(env) as hall:
            waits = asyncio.ensure_future(hall.ask("x", "waits"))
            await turns()
            answers = await hall.ask("x", "wrong", "other")
            answers += await waits
            assert all(isinstance(error, sage.JobFailed) for error in answers), [type(a) for a in answers]
            assert isinstance(answers[0].__cause__, InvalidOperator)
            assert isinstance((await hall.ask("x", "late"))[0], sage.JobNotRunning)
            hall.calls.clear()
            await hall.job.wait()


async def wait_long(value: Any) -> Any:
    await asyncio.sleep(1_000)
    return value


@virtual_time
async def test_options_that_cannot_be_are_told_to_their_caller_only() -> None:
    env = sage.Environment("options")
    env.endpoint("x").map(divide_later, concurrency=1).reply()
    async with asking(env) as hall:
        with pytest.raises(TypeError, match=r"no option 'dedline'; its options: deadline, priority"):
            hall.job.stream("x", 1, dedline=3)  # type: ignore[call-arg]
        bad = await hall.ask("x", 1, key=[])
        bad += await hall.ask("x", 1, priority="high")
        for length in ("1", float("nan"), float("inf"), True):
            bad += await hall.ask("x", 1, deadline=length)
        assert [type(error) for error in bad] == [TypeError] * 6
        assert str(bad[2]) == "endpoint 'x': deadline='1': write seconds from now, or a timedelta"
        with pytest.raises(sage.UnknownEndpoint, match=r"no endpoint 'y'; its endpoints: 'x'"):
            hall.job.stream("y", 1)
        assert await hall.ask("x", 1, 2) == [[6], [3]]
        assert hall.job.endpoints == ("x",)


@virtual_time
async def test_a_caller_of_one_record_gets_the_first_and_stops_the_rest() -> None:
    closed: list[int] = []

    async def endless(value: int) -> AsyncIterator[int]:
        try:
            while True:
                yield value
        finally:
            closed.append(value)

    env = sage.Environment("one")
    env.endpoint("x").flat_map(endless).reply()
    env.endpoint("none").filter(lambda v: False).reply()
    async with asking(env) as hall:
        assert await hall.job.call("x", 7) == 7
        await turns()
        assert closed == [7]
        with pytest.raises(sage.NoReply, match="'none'"):
            await hall.job.call("none", 1)


@virtual_time
async def test_fair_by_that_fails_is_told_to_its_caller() -> None:
    env = sage.Environment("fair")
    env.endpoint("x", fair_by=divide).map(divide).reply()
    async with asking(env) as hall:
        bad, good = await hall.ask("x", 0, 1)
        assert isinstance(bad, ZeroDivisionError)
        assert good == [6]


@virtual_time
async def test_records_of_nobody_are_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    env = sage.Environment("nobody")
    env.endpoint("x").union(env.from_iterable([1, 2])).reply()
    async with asking(env) as hall:
        assert await hall.ask("x", 3) == [[3]]
    assert sum("belong to no request" in record.getMessage() for record in caplog.records) == 1


def test_endpoints_and_replies_belong_together() -> None:
    env = sage.Environment("lonely")
    env.endpoint("x").sink(print)
    with pytest.raises(sage.GraphError, match="nobody who asks endpoint 'x' would get an answer"):
        env.start()
    env = sage.Environment("lonely")
    env.from_iterable([1]).reply()
    with pytest.raises(sage.GraphError, match="answers nobody"):
        env.start()


@virtual_time
async def test_what_a_plain_function_raises_is_not_taken_for_the_cancellation_of_its_caller() -> None:
    def stop(value: int) -> int:
        raise asyncio.CancelledError

    env = sage.Environment("stopped")
    env.endpoint("x").map(stop, name="stop").reply()
    with pytest.raises(sage.JobFailed):
        async with env.start() as job:
            with pytest.raises(sage.JobFailed, match="operator 'stop' failed: CancelledError"):
                await job.call("x", 1)
            assert job.open_calls == 0
            await job.wait()
