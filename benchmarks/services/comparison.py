"""All ways in turn, in several rounds: what slows one in a round slows the others, so ratios are taken within it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.event_loops import on_loop
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.services import floors
from benchmarks.services.peers import PEERS
from benchmarks.services.subject import Called, Opens, sage_at
from benchmarks.services.timing import at_once, each, read, wide

__all__ = ["run"]

_COLUMNS = (
    Column("work", "work"),
    Column("way", "way"),
    Column("us", "µs", ",.1f"),
    Column("above_us", "above floor, µs", ",.2f"),
    Column("per_second", "per second", ",.0f"),
    Column("times_floor", "× floor", ".2f"),
)
_FLOOR = "inproc: a bare await, and its own generator; elsewhere: `zmq.asyncio` DEALER and ROUTER, one call each"
_CALL, _MANY, _ITEM = "call", "call, 64 callers", "item of a stream"
_WIDE, _GATHERED = "1,000 calls of 10 ms at once", "call gathered into lists of 64"
_GOALS = (
    Goal({"way": "sage inproc", "work": _CALL}, "above_us", most=5),
    Goal({"way": "sage inproc", "work": _WIDE}, "us", most=13_000),
    Goal({"way": "sage inproc", "work": _ITEM}, "per_second", least=1_000_000),
    Goal({"way": "sage zmq", "work": _CALL}, "times_floor", most=1),
    Goal({"way": "sage zmq", "work": _MANY}, "per_second", least=100_000),
    Goal({"way": "sage zmq", "work": _ITEM}, "per_second", least=500_000),
)
_CHART = Chart("us", "µs for each call or item", "{way}: {work}")


@dataclass(frozen=True)
class _Way:
    """One way to call.

    Args:
        name: what it is called in tables.
        opens: starts what is called.
        slow: by how many times fewer calls are made.
    """

    name: str
    opens: Opens
    slow: int = 1


def run(plan: Plan) -> list[Outcome]:
    """See the package."""
    plan.progress("services: inproc")
    here = (_Way("sage inproc", partial(sage_at, "inproc")), _Way("queue and future", floors.queued))
    rows, notes = on_loop(partial(_compare, plan, _Way("a bare await", floors.bare), here, 1))
    dealer = _Way("zmq.asyncio", floors.dealer)
    # Each beside the floor alone: what others have running would slow it down.
    for way in _elsewhere(plan):
        plan.progress(f"services: {way.name}")
        more, told = on_loop(partial(_compare, plan, dealer, [way], 10))
        told_before = any(row["way"] == dealer.name for row in rows)
        rows += [row for row in more if row["way"] != dealer.name or not told_before]
        notes += told
    if plan.peers:
        notes += [f"{peer.package}: not installed; {peer.install}" for peer in PEERS if not peer.installed]
    title = "calls of a service, in this event loop and in another process"
    return [Outcome("services", title, _FLOOR, _COLUMNS, rows, _CHART, _GOALS, notes)]


def _elsewhere(plan: Plan) -> list[_Way]:
    """Ours, and those that are installed, if they are asked for."""
    peers = [_Way(peer.way, peer.opens, peer.slow) for peer in PEERS if plan.peers and peer.installed]
    return [_Way("sage zmq", partial(sage_at, "zmq")), *peers]


async def _compare(plan: Plan, floor: _Way, ways: Sequence[_Way], fewer: int) -> tuple[list[Row], list[str]]:
    """The rows of all ways, and what the reader has to know of them.

    Args:
        plan: how much is measured.
        floor: what `times_floor` counts in.
        ways: what is measured against it.
        fewer: by how many times fewer calls are made one after the other.
    """
    async with AsyncExitStack() as stack:
        opened = {way: await stack.enter_async_context(way.opens()) for way in (floor, *ways)}
        works = {way: _works(plan, called, fewer, way.slow) for way, called in opened.items()}
        rounds = [await _round(works) for _ in range(1 + plan.pairs)]
        notes = [note for called in opened.values() for note in called.notes]
    return _rows(rounds[1:], floor.name), notes


async def _round(works: Mapping[_Way, Mapping[str, Callable[[], Awaitable[float]]]]) -> dict[tuple[str, str], float]:
    """Every work once, each by all ways in turn; in microseconds."""
    names = dict.fromkeys(name for those in works.values() for name in those)
    return {(name, way.name): await those[name]() for name in names for way, those in works.items() if name in those}


def _works(plan: Plan, called: Called, fewer: int, slow: int) -> dict[str, Callable[[], Awaitable[float]]]:
    """What this way can do; each gives the microseconds it took."""
    calls, items = plan.size(20_000, 200) // slow, plan.size(500_000, 2_000) // slow
    works: dict[str, Callable[[], Awaitable[float]]] = {_CALL: partial(each, called.echo, calls // fewer)}
    if called.many is not None:
        works[_MANY] = partial(at_once, called.many, max(64, calls), 64)
    if called.nap is not None:
        works[_WIDE] = partial(wide, called.nap, 1_000)
    if called.items is not None:
        works[_ITEM] = partial(read, called.items, items)
    if called.gathered is not None:
        works[_GATHERED] = partial(at_once, called.gathered, max(256, calls), 256)
    return works


def _rows(rounds: Sequence[Mapping[tuple[str, str], float]], floor: str) -> list[Row]:
    """Medians over the rounds; ratios and differences are taken within each, calls one after the other."""
    rows: list[Row] = []
    for work, way in rounds[0]:
        took = [one[work, way] for one in rounds]
        row: dict[str, str | float] = {"work": work, "way": way, "us": median(took)}
        if work == _CALL and way != floor:
            floors_took = [one[work, floor] for one in rounds]
            row["above_us"] = max(0.0, median(mine - base for mine, base in zip(took, floors_took, strict=True)))
            row["times_floor"] = median(mine / base for mine, base in zip(took, floors_took, strict=True))
        elif work not in (_CALL, _WIDE):
            row["per_second"] = 1e6 / median(took)
        rows.append(row)
    return rows
