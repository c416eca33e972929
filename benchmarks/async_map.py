"""Twenty thousand calls that each wait 10 ms, a thousand at a time: what the waiting for others costs."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sage
from benchmarks.contest import Contest, hold
from benchmarks.event_loops import on_loop
from benchmarks.measure import expect
from benchmarks.outcome import Goal, Outcome
from benchmarks.plan import Plan

__all__ = ["Calls", "compare", "run"]


@dataclass(frozen=True)
class Calls:
    """The work: numbers to call for, and how.

    Args:
        numbers: what is asked.
        concurrency: how many calls are under way at a time.
        ordered: whether the results have to be in the order of the numbers.
        seconds: how long one call takes.
    """

    numbers: range
    concurrency: int
    ordered: bool
    seconds: float = 0.010

    async def call(self, number: int) -> int:
        """Ask for one number."""
        await asyncio.sleep(self.seconds)
        return number * 2


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    calls, concurrency = plan.size(20_000, 2_000), plan.size(1_000, 200)
    return [compare(plan, calls=calls, concurrency=concurrency, ordered=ordered) for ordered in (True, False)]


def compare(plan: Plan, *, calls: int, concurrency: int, ordered: bool) -> Outcome:
    """Measure it with so many calls."""
    order = "ordered" if ordered else "unordered"
    contest: Contest[Calls, list[int]] = Contest(
        name=f"async_map {order}",
        title=f"{calls:,} calls of 10 ms, {concurrency:,} at a time, {order}",
        work=Calls(range(calls), concurrency, ordered),
        records=calls,
        floor_name="pool of tasks on one iterator",
        floor=_pool,
        subject=_with_sage,
        check=_check(calls, ordered),
        goals=(Goal({"way": "sage"}, "speed", least=0.90), Goal({"way": "sage"}, "cpu_cost", most=2.0)),
    )
    return hold(contest, plan)


def _pool(work: Calls) -> list[int]:
    call = work.call
    results: list[int] = [0] * len(work.numbers) if work.ordered else []
    numbers = enumerate(work.numbers)

    async def fill(numbers: Iterator[tuple[int, int]]) -> None:
        for place, number in numbers:
            results[place] = await call(number)

    async def append(numbers: Iterator[tuple[int, int]]) -> None:
        for _, number in numbers:
            results.append(await call(number))

    async def program() -> None:
        worker = fill if work.ordered else append
        async with asyncio.TaskGroup() as group:
            for _ in range(work.concurrency):
                group.create_task(worker(numbers))

    on_loop(program)
    return results


def _with_sage(work: Calls) -> list[int]:
    results: list[int] = []
    env = sage.Environment("async map")
    answers = env.from_iterable(work.numbers).map(work.call, concurrency=work.concurrency, ordered=work.ordered)
    answers.sink(results.append)
    sage.run(env)
    return results


def _check(calls: int, ordered: bool) -> Callable[[list[int]], None]:
    right = list(range(0, 2 * calls, 2))

    def check(results: list[int]) -> None:
        found = results if ordered else sorted(results)
        expect(found == right, f"{len(results)} of {calls} results, or not the right ones, or in another order")

    return check
