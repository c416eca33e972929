"""How much lies inside: memory over ten million integers, and how far a source runs ahead of a slow sink."""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import sage
from benchmarks.chain import add_one, is_even, triple
from benchmarks.event_loops import on_loop
from benchmarks.interpreter import FreshInterpreter, fresh_interpreters
from benchmarks.measure import expect
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.queues import pipeline

__all__ = ["compare_growth", "compare_run_ahead", "growth", "run"]

_MIB = 1024 * 1024
_STATUS = Path("/proc/self/status")

_GROWTH_COLUMNS = (
    Column("way", "way"),
    Column("mib_above_idle", "MiB above idle", ",.1f"),
    Column("mib_idle", "idle MiB", ",.1f"),
    Column("records_per_second", "records/s", ",.0f"),
    Column("speed", "speed", ".3f"),
)

_AHEAD_COLUMNS = (
    Column("way", "way"),
    Column("channel_capacity", "capacity", "d"),
    Column("batch_size", "batch size", "d"),
    Column("records_ahead", "most ahead", ",d"),
    Column("bound", "bound", ",d"),
    Column("of_bound", "of the bound", ".2f"),
)


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    sizes = ((1_024, 1_024), (64, 64), (32, 16))
    return [
        compare_growth(plan, records=plan.size(10_000_000, 500_000)),
        compare_run_ahead(plan, records=plan.size(20_000, 5_000), sizes=sizes),
    ]


# ---- memory


def compare_growth(plan: Plan, *, records: int) -> Outcome:
    """Measure the memory, with so many integers; once, as memory is not noisy."""
    plan.progress("memory")
    with fresh_interpreters() as run_fresh:
        _growth_row(run_fresh, "sage", 2)  # compiles what is imported
        floor, subject = _growth_row(run_fresh, "floor", records), _growth_row(run_fresh, "sage", records)
    speed = float(subject["records_per_second"]) / float(floor["records_per_second"])
    return Outcome(
        "memory",
        f"{records:,} integers from a generator: map, filter, map, sink; the peak of resident memory",
        "plain for loop",
        _GROWTH_COLUMNS,
        [{**floor, "speed": 1.0}, {**subject, "speed": speed}],
        Chart("mib_above_idle", "MiB above the idle process"),
        (Goal({"way": "sage"}, "mib_above_idle", most=60.0),),
    )


def _growth_row(run_fresh: FreshInterpreter, way: str, records: int) -> Row:
    program = f"from benchmarks.memory import growth; figures = growth({way!r}, {records})"
    return {"way": way, **run_fresh(program)}


def growth(way: str, records: int) -> dict[str, float]:
    """Do the work in this process, which has to be a fresh one, and say how far its memory grew."""
    idle = _memory("VmRSS")
    total = _Total()
    began = time.perf_counter()
    (_total_by_sage if way == "sage" else _total_by_loop)((number for number in range(records)), total.add)
    took = time.perf_counter() - began
    peak = _memory("VmHWM")
    expect(total.value == 3 * sum(range(2, records + 1, 2)), f"a total of {total.value}")
    return {"mib_idle": idle, "mib_above_idle": peak - idle, "records_per_second": records / took}


class _Total:
    def __init__(self) -> None:
        self.value = 0

    def add(self, number: int) -> None:
        self.value += number


def _total_by_loop(numbers: Iterator[int], deliver: Callable[[int], None]) -> None:
    for number in numbers:
        after = add_one(number)
        if is_even(after):
            deliver(triple(after))


def _total_by_sage(numbers: Iterator[int], deliver: Callable[[int], None]) -> None:
    env = sage.Environment("memory")
    env.from_iterable(numbers).map(add_one).filter(is_even).map(triple).sink(deliver)
    sage.run(env)


def _memory(field: str) -> float:
    """A figure of this process as Linux keeps it, in MiB; elsewhere the peak until now."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024


# ---- run-ahead


def compare_run_ahead(plan: Plan, *, records: int, sizes: tuple[tuple[int, int], ...]) -> Outcome:
    """Measure how far a source gets ahead through two maps, for pairs of channel capacity and batch size."""
    rows: list[Row] = []
    for capacity, batch_size in sizes:
        plan.progress(f"run-ahead: capacity {capacity}")
        rows += [_ahead_row("floor", records, capacity, 1), _ahead_row("sage", records, capacity, batch_size)]
    return Outcome(
        "run-ahead",
        f"{records:,} records through two maps into a slow sink: how far the source gets ahead of it",
        "asyncio queues of the same capacity, one task a stage",
        _AHEAD_COLUMNS,
        rows,
        Chart("records_ahead", "records ahead of the sink, at most", label="{way}, capacity {channel_capacity}"),
        (Goal({"way": "sage"}, "of_bound", most=1.0),),
    )


def _ahead_row(way: str, records: int, capacity: int, batch_size: int) -> Row:
    """Three channels are full, and each of the four tasks has a batch in hand."""
    ahead = on_loop(lambda: _records_ahead(way, records, capacity, batch_size))
    bound = 3 * capacity + 4 * batch_size
    place: Row = {"way": way, "channel_capacity": capacity, "batch_size": batch_size}
    return {**place, "records_ahead": ahead, "bound": bound, "of_bound": ahead / bound}


class _SlowSink:
    """Counts what the source has given and what has arrived; rests 1 ms after every 50 records."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.given = self.arrived = self.furthest = 0

    def numbers(self) -> Iterator[int]:
        for number in range(self.records):
            self.given += 1
            yield number

    async def numbers_for_queues(self) -> AsyncIterator[int]:
        for number in self.numbers():
            yield number

    async def sink(self, _: int) -> None:
        self.furthest = max(self.furthest, self.given - self.arrived)
        self.arrived += 1
        if self.arrived % 50 == 0:
            await asyncio.sleep(0.001)


async def _records_ahead(way: str, records: int, capacity: int, batch_size: int) -> int:
    slow = _SlowSink(records)
    if way == "sage":
        env = sage.Environment("run-ahead", channel_capacity=capacity, batch_size=batch_size)
        env.from_iterable(slow.numbers()).map(_same).map(_same).sink(slow.sink)
        await env.run()
    else:
        await pipeline(slow.numbers_for_queues(), [_same, _same], slow.sink, capacity=capacity)
    expect(slow.arrived == records, f"{slow.arrived} of {records} records arrived")
    return slow.furthest


def _same(number: int) -> int:
    return number
