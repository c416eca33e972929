"""One record at a time through 1, 3 and 10 operators: what a hop costs when there is nothing to batch."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median

import sage
from benchmarks.event_loops import LOOPS, on_loop
from benchmarks.measure import expect, percentile, timed
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.queues import pipeline

__all__ = ["compare", "run"]

_FLOOR = "asyncio queues, one task a stage"

_COLUMNS = (
    Column("operators", "operators", "d"),
    Column("loop", "event loop"),
    Column("way", "way"),
    Column("p50_us", "p50 µs", ",.1f"),
    Column("p50_us_best", "best p50", ",.1f"),
    Column("p99_us", "p99 µs", ",.1f"),
    Column("times_floor", "p50 ×", ".2f"),
)

Program = Callable[["_Relay", int], Awaitable[None]]


class _Relay:
    """Lets a record in when the one before has arrived, and keeps how long each took, in microseconds.

    The time runs from just before the source yields to the start of the sink's function.
    """

    def __init__(self, records: int) -> None:
        self.took: list[float] = []
        self._records = records
        self._arrived = asyncio.Event()

    async def source(self) -> AsyncIterator[int]:
        for _ in range(self._records):
            self._arrived.clear()
            yield time.perf_counter_ns()
            await self._arrived.wait()

    def sink(self, began: int) -> None:
        self.took.append((time.perf_counter_ns() - began) / 1_000)
        self._arrived.set()


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    return [compare(plan, records=plan.size(5_000, 300), depths=(1, 3, 10))]


def compare(plan: Plan, *, records: int, depths: tuple[int, ...]) -> Outcome:
    """Measure it with so many records a run, through so many operators."""
    return Outcome(
        "latency",
        f"one record at a time ({records:,} a run), from the source's yield to the sink's call",
        _FLOOR,
        _COLUMNS,
        [row for depth in depths for loop in LOOPS for row in _rows(plan, records, depth, loop)],
        Chart("p50_us", "median, µs", label="{way}, {operators} operators, {loop}"),
        (Goal({"way": "sage", "operators": 3, "loop": "uvloop"}, "p50_us", most=12.0),),
    )


def _rows(plan: Plan, records: int, depth: int, loop: str) -> list[Row]:
    plan.progress(f"latency: {depth} operators on {loop}")

    def took(program: Program) -> list[float]:
        return timed(lambda: on_loop(lambda: _took(program, records, depth), LOOPS[loop]))[1]

    pairs = [(took(_by_queues), took(_by_sage)) for _ in range(1 + plan.pairs)][1:]  # the first one warms up
    times = median(percentile(subject, 50) / percentile(floor, 50) for floor, subject in pairs)
    place: Row = {"operators": depth, "loop": loop}
    return [
        {**place, "way": "floor", **_figures([floor for floor, _ in pairs]), "times_floor": 1.0},
        {**place, "way": "sage", **_figures([subject for _, subject in pairs]), "times_floor": times},
    ]


def _figures(runs: list[list[float]]) -> Row:
    middles = [percentile(run, 50) for run in runs]
    return {
        "p50_us": median(middles),
        "p50_us_best": min(middles),
        "p99_us": median(percentile(run, 99) for run in runs),
    }


async def _took(program: Program, records: int, depth: int) -> list[float]:
    warm_up = records // 10
    relay = _Relay(records + warm_up)
    await program(relay, depth)
    expect(len(relay.took) == records + warm_up, f"{len(relay.took)} of {records + warm_up} records arrived")
    return relay.took[warm_up:]


def _same(value: int) -> int:
    return value


async def _by_queues(relay: _Relay, depth: int) -> None:
    await pipeline(relay.source(), [_same] * depth, relay.sink, capacity=1024)


async def _by_sage(relay: _Relay, depth: int) -> None:
    env = sage.Environment("latency")
    stream = env.from_iterable(relay.source())
    for _ in range(depth):
        stream = stream.map(_same)
    stream.sink(relay.sink)
    await env.run()
