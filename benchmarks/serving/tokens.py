"""S1, in one process: tokens through three stages, beside queues that must choose between quick and soon."""

import gc
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.event_loops import on_loop
from benchmarks.measure import WrongResult
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.in_process import LARGE, SAGE, SMALL, WAYS
from benchmarks.serving.peers import peer_ways
from benchmarks.serving.streams import Figures, Opens, Streams, measured

__all__ = ["compare", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("streams", "at once", ",d"),
    Column("per_second", "tokens/s", ",.0f"),
    Column("speed", "speed", ".2f"),
    Column("speed_least", "least", ".2f"),
    Column("speed_most", "most", ".2f"),
    Column("cpu_us", "CPU µs", ".2f"),
    Column("cpu_times", "CPU ×", ".2f"),
    Column("first_p50_ms", "first p50 ms", ".2f"),
    Column("first_p99_ms", "p99 ms", ".2f"),
    Column("first_times", "first ×", ".2f"),
)
#: How many answers are under way at a time; the first is what the goals are about.
_AT_ONCE = (200, 1, 8, 64, 256)


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    works = [Streams(at_once, plan.size(200, 8), plan.size(100, 20)) for at_once in _sizes(plan)]
    return [compare(plan, works)]


def _sizes(plan: Plan) -> Sequence[int]:
    return (8, 1) if plan.quick else _AT_ONCE


def compare(plan: Plan, works: Sequence[Streams]) -> Outcome:
    """Measure all ways with each of the works; the goals are about the first."""
    rows: list[Row] = []
    for streams in works:
        plan.progress(f"serving.tokens: {streams.at_once} at once")
        rows += _rows(streams, [_round(streams, WAYS) for _ in range(1 + plan.pairs)][1:])
    notes = [
        "speed and CPU × are against queues of 1,024, first × is against queues of 16",
    ]
    if plan.peers:
        rows += _peer_rows(plan, works[0], notes)
    first = works[0]
    sage: Row = {"way": SAGE, "streams": first.at_once}
    return Outcome(
        "serving.tokens",
        f"answers of {first.tokens} tokens through a generator and two maps, {first.requests} requests",
        f"{LARGE}, a task for each stage of each request",
        _COLUMNS,
        rows,
        Chart("speed", "speed, as a multiple of the floor's", "{way}, {streams} at once", reference=1.0),
        (Goal(sage, "speed", least=2.0), Goal(sage, "first_times", most=1.2)),
        notes,
    )


def _run(streams: Streams, opens: Opens) -> Figures:
    """On a loop of its own, after one run that is not counted: pools are warm, and what is compiled late is."""

    async def program() -> Figures:
        async with opens() as open_answer:
            await measured(streams, open_answer)
            gc.collect()
            return await measured(streams, open_answer)

    return on_loop(program)


def _round(streams: Streams, ways: Mapping[str, Opens]) -> dict[str, Figures]:
    return {way: _run(streams, opens) for way, opens in ways.items()}


def _rows(streams: Streams, rounds: Sequence[Mapping[str, Figures]]) -> list[Row]:
    return [_row(way, streams, rounds) for way in rounds[0]]


def _row(way: str, streams: Streams, rounds: Sequence[Mapping[str, Figures]]) -> Row:
    """Medians over the rounds; ratios are taken within each."""
    figures = Figures.median_of([one[way] for one in rounds])
    row: dict[str, str | float] = {"way": way, "streams": streams.at_once, **vars(figures)}
    if way == LARGE:
        return {**row, "speed": 1.0, "cpu_times": 1.0}
    speeds = [one[way].per_second / one[LARGE].per_second for one in rounds]
    row |= {"speed": median(speeds), "speed_least": min(speeds), "speed_most": max(speeds)}
    row["cpu_times"] = median(one[way].cpu_us / one[LARGE].cpu_us for one in rounds)
    if way != SMALL:
        row["first_times"] = median(one[way].first_p50_ms / one[SMALL].first_p50_ms for one in rounds)
    return row


def _peer_rows(plan: Plan, streams: Streams, notes: list[str]) -> list[Row]:
    """Each peer in rounds with the queues."""
    rows: list[Row] = []
    ways, told = peer_ways()
    notes += told
    queues = {LARGE: WAYS[LARGE], SMALL: WAYS[SMALL]}
    for way, opens in ways.items():
        plan.progress(f"serving.tokens: {way}")
        try:
            rounds = [_round(streams, {**queues, way: opens}) for _ in range(1 + plan.pairs)][1:]
        except WrongResult as wrong:
            notes.append(f"{way}: left out, its result is wrong: {wrong}")
        else:
            rows.append(_row(way, streams, rounds))
    return rows
