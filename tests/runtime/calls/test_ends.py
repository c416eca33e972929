"""The end of a job reaches its callers; requests before it has opened wait, and after it has ended are refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.testing import assert_nothing_left, virtual_time
from tests.runtime.calls.asking import asking, read, turns


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def program(**options: Any) -> "sage.Environment":
    env = sage.Environment("ends", **options)
    env.endpoint("wait").map(wait, name="wait here").reply()
    return env


@virtual_time
async def test_a_drain_answers_what_is_inside_and_takes_nothing_new() -> None:
    async with asking(program()) as hall:
        inside = asyncio.ensure_future(hall.ask("wait", 5, 10))
        await turns()
        drained = asyncio.ensure_future(hall.job.drain())
        await turns()
        with pytest.raises(sage.JobNotRunning, match=r"'wait' takes no requests: the job is finishing"):
            await hall.job.call("wait", 1)
        assert await inside == [[5], [10]]
        await drained
        with pytest.raises(sage.JobNotRunning, match=r"'wait' takes no requests: the job has ended"):
            await hall.job.call("wait", 1)
        hall.check()


@virtual_time
async def test_a_drain_refuses_those_at_the_door() -> None:
    async with asking(program(admission=sage.Admission(max_requests=1, max_queued=5))) as hall:
        asked = asyncio.ensure_future(hall.ask("wait", 5, 6))
        await turns()
        await hall.job.drain()
        first, second = await asked
        assert first == [5]
        assert isinstance(second, sage.JobNotRunning)


@virtual_time
async def test_whose_turn_comes_in_the_moment_of_a_drain_is_refused() -> None:
    async with asking(program(admission=sage.Admission(max_requests=1, max_queued=5))) as hall:
        first = hall.job.stream("wait", 1_000)
        await first.admitted()
        second = asyncio.ensure_future(hall.ask("wait", 1))
        await turns()
        (call,) = hall.calls
        over: Any = call.on_over

        def drain(_: Any) -> None:
            over(call)
            if not call.live:  # the second may go in now, and has not looked yet
                hall.job._execution.drain()

        call.on_over = drain
        await first.aclose()
        assert [type(answer) for answer in await second] == [sage.JobNotRunning]
        await hall.job.wait()
        hall.check()


@virtual_time
async def test_a_cancelled_job_ends_its_calls() -> None:
    async with asking(program()) as hall:
        inside = asyncio.ensure_future(hall.ask("wait", 1_000))
        await turns()
        await hall.job.cancel()
        (error,) = await inside
        assert isinstance(error, sage.JobCancelled)
        with pytest.raises(sage.JobNotRunning):
            await hall.job.call("wait", 1)
        hall.calls.clear()


@virtual_time
async def test_leaving_the_block_ends_them_too() -> None:
    async with program().start() as job:
        inside = asyncio.ensure_future(read(job.stream("wait", 1_000)))
        await turns()
    with pytest.raises(sage.JobCancelled, match="before the answer was whole"):
        await inside


@pytest.mark.parametrize("slow_to_close", [0, 5])
@virtual_time
async def test_a_failing_job_never_gives_an_answer_that_looks_whole(slow_to_close: int) -> None:
    class Slow(sage.MapFunction[Any, Any]):
        async def close(self) -> None:
            await asyncio.sleep(slow_to_close)

        def map(self, value: Any) -> Any:
            return value

    async def source() -> AsyncIterator[str]:
        await asyncio.sleep(1)
        yield "plain"

    async def twice(value: Any) -> AsyncIterator[Any]:
        for _ in range(3):
            yield value
            await asyncio.sleep(0.3)

    def fail(value: Any) -> Any:
        if value == "plain":
            raise ConnectionError("the source is broken")
        return value

    env = sage.Environment("failing", channel_capacity=2, batch_size=1)
    requests = env.endpoint("x").flat_map(twice).union(env.from_iterable(source()))
    requests.map(fail, name="broken").map(Slow).reply()
    with pytest.raises(sage.JobFailed, match="broken"):
        async with env.start() as job:

            async def client(number: int) -> Any:
                await asyncio.sleep(number * 0.05)
                return await read(job.stream("x", number))

            answers = await asyncio.gather(*map(client, range(40)), return_exceptions=True)
            whole = [answer for answer in answers if isinstance(answer, list)]
            assert all(len(answer) == 3 for answer in whole)
            assert whole
            assert {type(answer) for answer in answers} == {list, sage.JobFailed, sage.JobNotRunning}
            assert job.open_calls == 0
            await job.wait()


@virtual_time
async def test_requests_before_the_job_has_opened_wait_for_it() -> None:
    class Slow(sage.MapFunction[Any, Any]):
        async def open(self, context: Any) -> None:
            await asyncio.sleep(5)

        def map(self, value: Any) -> Any:
            return value

    env = sage.Environment("opening")
    env.endpoint("x").map(Slow).reply()
    async with assert_nothing_left():
        job = env.submit()
        assert await job.call("x", 7) == 7
        assert asyncio.get_running_loop().time() == pytest.approx(5)
        await job.cancel()


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20])
@virtual_time
async def test_a_drain_answers_those_that_came_before_it_opened(steps: int) -> None:
    async with assert_nothing_left():
        job = program().submit()
        answer = job.stream("wait", 2)
        await answer.admitted()
        await turns(steps)
        drained = asyncio.ensure_future(job.drain())
        assert await read(answer) == [2]
        await drained


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20])
@virtual_time
async def test_a_cancel_ends_those_that_came_before_it_opened(steps: int) -> None:
    async with assert_nothing_left():
        job = program().submit()
        answer = job.stream("wait", 2)
        await answer.admitted()
        await turns(steps)
        await job.cancel()
        with pytest.raises(sage.JobCancelled):
            await asyncio.wait_for(read(answer), 1)
        assert job.status == "cancelled"
        with pytest.raises(sage.JobNotRunning):
            await asyncio.wait_for(job.call("wait", 1), 1)


@virtual_time
async def test_a_job_that_cannot_open_tells_its_callers() -> None:
    class Bad(sage.MapFunction[Any, Any]):
        async def open(self, context: Any) -> None:
            raise ConnectionError("no database")

        def map(self, value: Any) -> Any:
            return value

    env = sage.Environment("bad")
    env.endpoint("x").map(Bad).reply()
    job = env.submit()
    with pytest.raises(sage.JobFailed, match="no database"):
        await job.call("x", 7)
    with pytest.raises(sage.JobFailed):
        await job.wait()


@virtual_time
async def test_an_endpoint_that_nothing_reads_any_more_says_so() -> None:
    env = sage.Environment("enough")
    env.endpoint("few").take(1).reply()
    env.endpoint("wait").map(wait).reply()
    async with asking(env) as hall:
        assert await hall.ask("few", 1) == [[1]]
        await turns()
        with pytest.raises(sage.JobNotRunning, match="nothing in the program reads them any more"):
            await hall.job.call("few", 2)
        assert await hall.ask("wait", 1) == [[1]]


@virtual_time
async def test_two_endpoints_share_operators() -> None:
    env = sage.Environment("shared")
    one: sage.Stream[Any] = env.endpoint("one").map(lambda v: ("one", v))
    two: sage.Stream[Any] = env.endpoint("two").map(lambda v: ("two", v))
    one.union(two).map_batch(lambda vs: vs, max_size=3, max_wait=0.1).reply()
    async with asking(env) as hall:
        first, second = await asyncio.gather(hall.ask("one", 1, 2), hall.ask("two", 3, 4))
        assert first == [[("one", 1)], [("one", 2)]]
        assert second == [[("two", 3)], [("two", 4)]]


@virtual_time
async def test_two_runs_of_a_program_are_two_worlds() -> None:
    env = program()
    async with env.start() as one, env.start() as two:
        assert [*await asyncio.gather(one.call("wait", 1), two.call("wait", 2))] == [1, 2]
        await one.cancel()
        assert await two.call("wait", 3) == 3
