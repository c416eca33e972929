"""How long it takes to be ready: `import sage`, and from an environment to its first result."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.interpreter import fresh_interpreters
from benchmarks.measure import expect
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan

__all__ = ["compare_first_result", "compare_import", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("times_floor", "CPU ×", ".2f"),
    Column("cpu_ms_least", "least CPU ms", ",.1f"),
    Column("wall_ms_least", "least ms", ",.1f"),
    Column("wall_ms", "median ms", ",.1f"),
    Column("modules", "modules loaded", "d"),
)
_CHART = Chart("cpu_ms_least", "CPU, ms (the least of all runs)")

_IMPORT = """
import sys, time
known, cpu, wall = len(sys.modules), time.process_time(), time.perf_counter()
import {modules}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
figures = dict(wall=wall, cpu=cpu, modules=len(sys.modules) - known)
"""

_FIRST_RESULT = """
import sys, time
{imports}
known, cpu, wall = len(sys.modules), time.process_time(), time.perf_counter()
seen = []
def first(value):
    seen.append(dict(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu, value=value))
{program}
figures = dict(seen[0], modules=len(sys.modules) - known)
"""

_WITH_SAGE = """
env = sage.Environment("first")
env.from_iterable([-1]).map(abs).sink(first)
sage.run(env)
"""

_WITH_QUEUES = """
async def work(inbox, outbox):
    await outbox.put(abs(await inbox.get()))
async def show(inbox):
    first(await inbox.get())
async def main():
    one, two = asyncio.Queue(8), asyncio.Queue(8)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.put(-1)), group.create_task(work(one, two)), group.create_task(show(two))
if sys.platform == "win32":
    factory = None
else:
    import uvloop
    factory = uvloop.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    runs = 3 * plan.pairs
    return [compare_import(plan, runs=runs), compare_first_result(plan, runs=runs)]


def compare_import(plan: Plan, *, runs: int) -> Outcome:
    """Measure the imports, each in fresh interpreters. The interpreter's own start is not in the time."""
    floor, subject = _IMPORT.format(modules="asyncio, anyio"), _IMPORT.format(modules="sage")
    return Outcome(
        "import",
        "import sage, in fresh interpreters",
        "import asyncio, anyio",
        _COLUMNS,
        _rows(plan, "import", runs, floor, subject),
        _CHART,
        (Goal({"way": "sage"}, "times_floor", most=1.5),),
    )


def compare_first_result(plan: Plan, *, runs: int) -> Outcome:
    """Measure the first program of a process, from an environment to its first result, without the import before."""
    floor = _FIRST_RESULT.format(imports="import asyncio", program=_WITH_QUEUES)
    subject = _FIRST_RESULT.format(imports="import sage", program=_WITH_SAGE)
    return Outcome(
        "first result",
        "from the environment to the first result, in fresh interpreters",
        "two asyncio queues and three tasks on the same event loop",
        _COLUMNS,
        _rows(plan, "first result", runs, floor, subject),
        _CHART,
    )


def _rows(plan: Plan, name: str, count: int, floor: str, subject: str) -> list[Row]:
    plan.progress(name)
    with fresh_interpreters() as run_fresh:
        runs = [(run_fresh(floor), run_fresh(subject)) for _ in range(1 + count)]
    floors, subjects = zip(*runs[1:], strict=True)  # the first compiled what is imported
    expect(all(run.get("value", 1) == 1 for run in (*floors, *subjects)), "the first result is not the right one")
    rows = _figures("floor", floors), _figures("sage", subjects)
    least = float(rows[0]["cpu_ms_least"])
    return [{**row, "times_floor": float(row["cpu_ms_least"]) / least} for row in rows]


def _figures(way: str, runs: Sequence[dict[str, Any]]) -> Row:
    return {
        "way": way,
        "cpu_ms_least": 1_000 * min(run["cpu"] for run in runs),
        "wall_ms_least": 1_000 * min(run["wall"] for run in runs),
        "wall_ms": 1_000 * median(run["wall"] for run in runs),
        "modules": runs[-1]["modules"],
    }
