"""Several ways of doing the same work, each measured in pairs with the floor."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from benchmarks.measure import Pairs, Sample, WrongResult, run_pairs
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.peers.catalogue import peer_ways
from benchmarks.plan import Plan

__all__ = ["Contest", "hold"]

W = TypeVar("W")
T = TypeVar("T")

_COLUMNS = (
    Column("way", "way"),
    Column("speed", "speed", ".3f"),
    Column("speed_least", "least", ".3f"),
    Column("speed_most", "most", ".3f"),
    Column("records_per_second", "records/s", ",.0f"),
    Column("records_per_second_best", "best", ",.0f"),
    Column("cpu_seconds", "CPU s", ".3f"),
    Column("cpu_cost", "CPU ×", ".2f"),
)


@dataclass(frozen=True)
class Contest(Generic[W, T]):
    """A piece of work, and who does it.

    Args:
        name: the benchmark, and its part if it has several.
        title: what is measured.
        work: what every way is given; it is not changed by any.
        records: how many records the work has.
        floor_name: what the floor is.
        floor: the hand-written way.
        subject: the way of sage.
        check: refuses a result that is not right.
        goals: for sage's row.
    """

    name: str
    title: str
    work: W
    records: int
    floor_name: str
    floor: Callable[[W], T]
    subject: Callable[[W], T]
    check: Callable[[T], None]
    goals: Sequence[Goal] = ()


def hold(contest: Contest[W, T], plan: Plan) -> Outcome:
    """Measure all ways.

    Raises:
        WrongResult: the floor or sage did not do the work. (Of a peer, a note says so.)
    """
    plan.progress(f"{contest.name}: sage")
    pairs = _pairs(contest, contest.subject, plan)
    floor = {**_figures(pairs.floors, contest.records), "speed": 1.0, "cpu_cost": 1.0}
    rows: list[Row] = [{"way": contest.floor_name, **floor}, _row("sage", pairs, contest.records)]
    notes: list[str] = []
    if plan.peers:
        ways, notes = peer_ways(contest.name)
        rows += _peer_rows(contest, ways, plan, notes)
    return Outcome(
        contest.name,
        contest.title,
        contest.floor_name,
        _COLUMNS,
        rows,
        Chart("speed", "speed, as a part of the floor's", reference=1.0),
        contest.goals,
        notes,
    )


def _peer_rows(
    contest: Contest[W, T], ways: dict[str, Callable[[W], T]], plan: Plan, notes: list[str]
) -> Iterator[Row]:
    for name, run in ways.items():
        plan.progress(f"{contest.name}: {name}")
        try:
            pairs = _pairs(contest, run, plan)
        except WrongResult as wrong:
            notes.append(f"{name}: left out, its result is wrong: {wrong}")
        else:
            yield _row(name, pairs, contest.records)


def _pairs(contest: Contest[W, T], run: Callable[[W], T], plan: Plan) -> Pairs:
    return run_pairs(lambda: contest.floor(contest.work), lambda: run(contest.work), plan.pairs, contest.check)


def _row(way: str, pairs: Pairs, records: int) -> Row:
    speeds = {"speed": pairs.speed, "speed_least": min(pairs.speeds), "speed_most": max(pairs.speeds)}
    return {"way": way, **speeds, **_figures(pairs.subjects, records), "cpu_cost": pairs.cost}


def _figures(samples: list[Sample], records: int) -> dict[str, float]:
    walls = [sample.wall for sample in samples]
    return {
        "records_per_second": records / median(walls),
        "records_per_second_best": records / min(walls),
        "cpu_seconds": median(sample.cpu for sample in samples),
    }
