"""Jobs: waiting, draining, cancelling, and who is told of a failure."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest

import sage
from sage.jobs import Job
from sage.testing import assert_nothing_left


async def never() -> AsyncIterator[int]:
    """A source that is open and gives nothing."""
    await asyncio.Event().wait()
    yield 0


def program(name: str = "numbers") -> sage.Environment:
    env = sage.Environment(name)
    env.from_iterable(range(3), name="numbers").sink(lambda _: None, name="out")
    return env


def endless() -> sage.Environment:
    env = sage.Environment("endless")
    env.from_iterable(count()).sink(lambda _: None)
    return env


def failing(seen: asyncio.Event | None = None) -> sage.Environment:
    def fail(value: int) -> None:
        if seen is not None:
            seen.set()
        raise ValueError("no")

    env = sage.Environment("failing")
    env.from_iterable([7]).union(env.from_iterable(never())).sink(fail, name="out")
    return env


async def ended(job: Job) -> None:
    """Wait for the end without asking how it went."""
    end = asyncio.Event()
    job.on_end(end.set)
    await end.wait()


async def test_a_job_has_an_id_of_its_own() -> None:
    env = program()
    jobs = [env.start() for _ in range(3)]
    assert len({job.id for job in jobs}) == 3
    assert all(len(job.id) == 12 and job.name == "numbers" for job in jobs)


async def test_it_is_running_then_finished() -> None:
    async with program().start() as job:
        assert job.status == "running"
        before = job.duration
        assert repr(job) == f"<Job 'numbers' ({job.id}): running>"
        result = await job.wait()
        assert job.status == "finished"
    assert 0 <= before < result.duration == job.duration
    assert result.id == job.id


async def test_waiting_again_gives_the_same_result() -> None:
    async with program().start() as job:
        assert await job.wait() == await job.wait()


async def test_several_may_wait() -> None:
    async with program().start() as job:
        one, other = await asyncio.gather(job.wait(), job.wait())
        assert one == other


async def test_cancelling_a_wait_leaves_the_job_running() -> None:
    async with endless().start() as job:
        waiting = asyncio.create_task(job.wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert job.status == "running"


async def test_statistics_are_there_while_it_runs() -> None:
    seen = asyncio.Event()
    env = sage.Environment("counted")
    numbers = env.from_iterable([1, 2]).union(env.from_iterable(never(), name="open"))
    numbers.sink(lambda value: seen.set() if value == 2 else None, name="out")
    async with env.start() as job:
        await seen.wait()
        await asyncio.sleep(0)
        assert job.statistics()["out"].records_in == 2


async def test_draining_ends_the_sources_and_finishes_what_is_inside() -> None:
    seen: list[int] = []
    first = asyncio.Event()

    def note(value: int) -> None:
        seen.append(value)
        first.set()

    env = sage.Environment("drained")
    env.from_iterable(count()).sink(note)
    async with env.start() as job:
        await first.wait()
        result = await job.drain()
    assert (result.status, job.status) == ("finished", "finished")
    assert seen == list(range(len(seen)))


async def test_draining_before_anything_has_begun() -> None:
    async with endless().start() as job:
        assert (await job.drain()).status == "finished"


async def test_a_job_that_drains_says_so() -> None:
    env = sage.Environment("drains")
    held, release = asyncio.Event(), asyncio.Event()

    async def hold(value: int) -> None:
        held.set()
        await release.wait()

    env.from_iterable(count()).sink(hold)
    async with env.start() as job:
        await held.wait()
        draining = asyncio.create_task(job.drain())
        await asyncio.sleep(0)
        assert job.status == "draining"
        release.set()
        await draining


async def test_draining_an_ended_job_gives_its_result() -> None:
    async with program().start() as job:
        result = await job.wait()
        assert await job.drain() == result


async def test_cancelling_returns_when_all_is_closed() -> None:
    async with assert_nothing_left():
        job = endless().submit()
        await asyncio.sleep(0)
        await job.cancel()
        assert job.status == "cancelled"
        await job.cancel()
    with pytest.raises(sage.JobCancelled, match=r"^job 'endless': it was cancelled before it had finished$"):
        await job.wait()


async def test_who_waits_learns_that_it_was_cancelled() -> None:
    async with endless().start() as job:
        waiting = asyncio.create_task(job.wait())
        await asyncio.sleep(0)
        await job.cancel()
        with pytest.raises(sage.JobCancelled):
            await waiting


async def test_cancelling_before_it_has_begun() -> None:
    job = endless().submit()
    await job.cancel()
    with pytest.raises(sage.JobCancelled):
        await job.wait()
    assert job.status.is_final


async def test_cancelling_a_finished_job_changes_nothing() -> None:
    async with program().start() as job:
        await job.wait()
        await job.cancel()
        assert job.status == "finished"


async def test_who_waits_is_told_of_a_failure() -> None:
    async with failing().start() as job:
        with pytest.raises(sage.JobFailed, match="operator 'out' failed on record 7: ValueError: no"):
            await job.wait()
        assert job.status == "failed"


async def test_a_failure_that_nobody_was_told_of_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(sage.JobFailed, match="operator 'out' failed on record 7"):
        async with failing().start() as job:
            await ended(job)


async def test_a_program_that_could_not_be_made_is_told_at_the_end_of_the_block() -> None:
    env = sage.Environment("unmade")
    env.from_iterable(iter([1])).collect()
    await env.run()
    with pytest.raises(sage.GraphError, match="was read by an earlier run") as caught:
        async with env.start() as job:
            await ended(job)
    assert isinstance(caught.value.__cause__, sage.NotReplayable)


async def test_a_failure_does_not_hide_an_error_of_the_block() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with failing().start() as job:
            await ended(job)
            raise KeyError("mine")


async def test_who_cancels_does_not_ask_for_failures() -> None:
    async with failing().start() as job:
        await ended(job)
        await job.cancel()
    assert job.status == "failed"


async def test_the_end_is_told() -> None:
    calls: list[str] = []
    async with program().start() as job:
        job.on_end(lambda: calls.append(job.status))
        await job.wait()
        await asyncio.sleep(0)
    assert calls == ["finished"]


async def test_a_job_that_was_not_started_can_do_nothing() -> None:
    job = program().start()
    for use in (job.wait, job.drain, job.cancel):
        with pytest.raises(
            sage.JobNotRunning, match=r"^job 'numbers': it was not started; write async with env.start\(\)"
        ):
            await use()


async def test_a_submitted_job_may_be_bound_to_a_block() -> None:
    job = endless().submit()
    async with job as same:
        assert same is job
    assert job.status == "cancelled"


async def test_a_job_is_a_named_task() -> None:
    async with endless().start():
        assert "job endless" in {task.get_name() for task in asyncio.all_tasks()}


async def test_the_time_of_a_job_that_never_began_ends_with_it() -> None:
    job = endless().submit()
    await job.cancel()
    ended_after = job.duration
    await asyncio.sleep(0)
    assert job.duration == ended_after
