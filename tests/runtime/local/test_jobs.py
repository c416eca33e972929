"""The handle on a running job, over the real engine: waiting, status, statistics, running again and beside others."""

import asyncio
from typing import Any

import pytest

import sage
from sage.testing import PlainEngine, assert_nothing_left, virtual_time


async def slow(value: Any) -> Any:
    await asyncio.sleep(1)
    return value


@virtual_time
async def test_cancelling_a_wait_leaves_the_job_running() -> None:
    env = sage.Environment("waited")
    out = env.from_iterable(range(10)).map(slow, concurrency=1).collect()
    async with env.start() as job:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.5):
                await job.wait()
        assert job.status == "running"
        results = await asyncio.gather(job.wait(), job.wait())
    assert [result.status for result in results] == ["finished"] * 2
    assert out.values == list(range(10))


@virtual_time
async def test_a_submitted_job_runs_by_itself() -> None:
    env = sage.Environment("submitted")
    out = env.from_iterable(range(5)).map(slow).collect()
    ended: list[str] = []
    async with assert_nothing_left():
        job = env.submit()
        job.on_end(lambda: ended.append(job.status))
        assert job.status == "running"
        assert not job.status.is_final
        await asyncio.sleep(10)
        assert (job.status, ended) == ("finished", ["finished"])
    assert out.values == list(range(5))
    result = await job.wait()
    assert (result.name, result.id, result.restarts) == ("submitted", job.id, 0)


def test_submit_needs_a_loop() -> None:
    env = sage.Environment("nowhere")
    env.from_iterable([1]).sink(print)
    with pytest.raises(sage.GraphError, match=r"env.submit\(\) needs a running event loop"):
        env.submit()


@virtual_time
async def test_a_job_that_was_not_started_says_so() -> None:
    env = sage.Environment("unstarted")
    env.from_iterable([1]).sink(print)
    job = env.start()
    for use in (job.wait, job.cancel, job.drain):
        with pytest.raises(sage.JobNotRunning, match=r"async with env\.start"):
            await use()


@virtual_time
async def test_a_submitted_job_may_be_bound_to_a_block() -> None:
    env = sage.Environment("bound")
    env.from_iterable([1]).map(slow).sink(lambda _: None)
    job = env.submit()
    async with job as same:
        assert same is job
        await job.wait()
    assert job.status == "finished"


@virtual_time
async def test_duration_stands_still_after_the_end() -> None:
    env = sage.Environment("duration")
    env.from_iterable([1]).sink(lambda _: None)
    async with env.start() as job:
        result = await job.wait()
    assert job.duration == job.duration
    assert 0 < result.duration == job.duration


@pytest.mark.parametrize("engine", [None, PlainEngine(batch_size=7)], ids=["local", "plain"])
@virtual_time
async def test_statistics_add_up(engine: PlainEngine | None) -> None:
    env = sage.Environment("counted", engine=engine, batch_size=7, channel_capacity=20)
    numbers = env.from_iterable(range(100), name="numbers")
    pairs = numbers.flat_map(lambda value: [value, value], name="pairs", parallelism=3)
    parts = pairs.map(slow, name="slow", parallelism=2).route(
        lambda value: "even" if value % 2 == 0 else "odd", name="route"
    )
    parts["even"].sink(lambda _: None, name="even")
    env.from_iterable(range(10), name="others").broadcast().map(lambda value: value, name="all", parallelism=4)
    result = await env.run()
    counts = {name: (done.parallelism, done.records_in, done.records_out) for name, done in result.operators.items()}
    assert counts == {
        "numbers": (1, 0, 100),
        "pairs": (3, 100, 200),
        "slow": (2, 200, 200),
        "route": (1, 200, 200),
        "even": (1, 100, 0),
        "others": (1, 0, 10),
        "all": (4, 40, 40),
    }
    assert {name: done.dropped for name, done in result.operators.items() if done.dropped} == {"route": 100}
    assert list(counts) == [node.name for node in env.logical_graph.nodes]
    for done in result.operators.values():
        assert done.queued == 0
        assert min(done.busy, done.idle, done.blocked) >= 0
    if engine is None:
        assert [result.operators[name].capacity for name in ("numbers", "pairs", "slow", "all")] == [0, 60, 120, 80]


async def test_time_is_told_apart() -> None:
    def burn(value: int) -> int:
        end = asyncio.get_running_loop().time() + 0.0005
        while asyncio.get_running_loop().time() < end:
            pass
        return value

    async def wait(value: int) -> None:
        await asyncio.sleep(0.001)

    env = sage.Environment("times", channel_capacity=2)
    env.from_iterable(range(50), name="source").map(burn, name="burn").sink(wait, name="wait")
    result = await env.run()
    done = result.operators
    assert done["burn"].busy >= 50 * 0.0005
    assert done["burn"].blocked > 0
    assert done["wait"].busy > 0.01  # its one place was taken
    for name in ("source", "burn", "wait"):
        assert done[name].busy + done[name].idle + done[name].blocked <= result.duration


@virtual_time
async def test_statistics_of_a_running_job() -> None:
    env = sage.Environment("running", channel_capacity=8, batch_size=4)
    env.from_iterable(range(1_000), name="source").map(lambda value: value, name="map").sink(slow, name="sink")
    async with env.start() as job:
        await asyncio.sleep(10.5)
        now = job.statistics()
        assert 10 <= now["sink"].records_in <= 22
        assert (now["map"].queued, now["map"].capacity) == (8, 8)
        assert now["source"].records_out <= 48


@virtual_time
async def test_a_replayable_program_runs_again_with_the_same_results() -> None:
    def numbers() -> Any:
        yield from range(10)

    out: list[int] = []
    env = sage.Environment("again")
    env.from_iterable(numbers).union(env.from_iterable([100, 200])).map(slow).sum(emit="end").sink(out.append)
    results = [await env.run() for _ in range(3)]
    assert out == [345] * 3
    assert len({result.id for result in results}) == 3
    assert len({tuple(done[:4] for done in result.operators.values()) for result in results}) == 1


@virtual_time
async def test_what_is_collected_is_that_of_the_last_run() -> None:
    env = sage.Environment("again")
    out = env.from_iterable([1, 2]).collect()
    await env.run()
    await env.run()
    assert out.values == [1, 2]


@virtual_time
async def test_two_jobs_at_once_do_not_mix() -> None:
    def program(name: str, factor: int) -> tuple[sage.Environment, Any]:
        env = sage.Environment(name, channel_capacity=4, batch_size=2)
        return env, env.from_iterable(range(50)).map(lambda value: value * factor, parallelism=2).map(slow).collect()

    (one, of_one), (other, of_other) = program("one", 1), program("other", -1)
    async with assert_nothing_left():
        await asyncio.gather(one.run(), other.run())
    assert sorted(of_one.values) == list(range(50))
    assert sorted(of_other.values) == list(range(-49, 1))


@virtual_time
async def test_one_program_twice_at_once() -> None:
    seen: list[tuple[str, int]] = []
    env = sage.Environment("twin")
    env.from_iterable(range(20)).map(slow).sink(lambda value: seen.append((sage.context().job, value)))
    async with assert_nothing_left():
        first, second = env.submit(), env.submit()
        await asyncio.gather(first.wait(), second.wait())
    assert sorted(seen) == sorted([("twin", value) for value in range(20)] * 2)


@virtual_time
async def test_the_failure_of_one_job_leaves_the_other_alone() -> None:
    def fail(value: int) -> int:
        raise ValueError("only here")

    good, broken = sage.Environment("good"), sage.Environment("broken")
    out = good.from_iterable(range(10)).map(slow).collect()
    broken.from_iterable([1]).map(slow).map(fail).sink(print)
    async with good.start() as job:
        with pytest.raises(sage.JobFailed, match="job 'broken'"):
            await broken.run()
        await job.wait()
    assert out.values == list(range(10))
