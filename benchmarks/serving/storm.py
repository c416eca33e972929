"""S4: clients that go away, each while its request is in one of five windows. What of it is left, and for how long."""

import asyncio
from collections.abc import Awaitable, Callable

import sage
from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.engine import Model, model_program
from benchmarks.serving.host import hosted
from benchmarks.serving.visitors import BUFFER, Storm, Visitor, Watched
from sage.serving.mock import EngineOptions

__all__ = ["compare", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("window", "left while"),
    Column("clients", "clients", ",d"),
    Column("freed_p50_ms", "freed p50 ms", ".2f"),
    Column("freed_p99_ms", "p99 ms", ".2f"),
    Column("freed_most_ms", "most ms", ".2f"),
    Column("left", "left over", ",d"),
)
#: How many go away at once; there are as many places in the program, and as many to wait for one.
_AT_ONCE = 20
_ADMISSION = sage.Admission(max_requests=_AT_ONCE, max_queued=_AT_ONCE)
_PADDING = 16_384
#: An answer whose first token never comes, one that does not end soon, and one that is much at once.
_NEVER, _LONG = "0", "10000"


async def _queued(storm: Storm) -> list[float]:
    holders = await _many(storm, _NEVER)
    await storm.until(lambda: len(storm.model.inside) == _AT_ONCE, "all places are taken")
    waiting = await _many(storm, _NEVER)
    names = {visitor.name for visitor in waiting}
    await storm.until(lambda: names <= storm.watched.inside, "all have come")
    took = await storm.leave(waiting)
    expect(not names & storm.model.ended.keys(), "there was work on a request that was queued")
    await storm.leave(holders)
    return took


async def _before_first(storm: Storm) -> list[float]:
    return await _leave_when_inside(storm, await _many(storm, _NEVER))


async def _not_streaming(storm: Storm) -> list[float]:
    return await _leave_when_inside(storm, [await storm.visit(_LONG, stream=False) for _ in range(_AT_ONCE)])


async def _mid_stream(storm: Storm) -> list[float]:
    visitors = await _many(storm, _LONG)
    await storm.until(lambda: all(visitor.tokens for visitor in visitors), "all have a token")
    return await storm.leave(visitors)


async def _blocked(storm: Storm) -> list[float]:
    visitors = [await storm.visit(_LONG, reads=False) for _ in range(_AT_ONCE)]
    names = {visitor.name for visitor in visitors}
    await storm.until(lambda: names <= storm.watched.writing, "all writes wait")
    return await storm.leave(visitors)


async def _many(storm: Storm, content: str) -> list[Visitor]:
    return [await storm.visit(content) for _ in range(_AT_ONCE)]


async def _leave_when_inside(storm: Storm, visitors: list[Visitor]) -> list[float]:
    names = {visitor.name for visitor in visitors}
    await storm.until(lambda: names <= storm.model.inside, "all are worked on")
    return await storm.leave(visitors)


_WINDOWS: dict[str, Callable[[Storm], Awaitable[list[float]]]] = {
    "queued": _queued,
    "before the first token": _before_first,
    "mid-stream": _mid_stream,
    "blocked in send": _blocked,
    "not streaming": _not_streaming,
}


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    return [compare(plan, times=plan.size(10, 1))]


def compare(plan: Plan, *, times: int) -> Outcome:
    """Have 20 clients leave at once, so many times in each window.

    Raises:
        WrongResult: something did not come to pass, or a place was not freed at all.
    """
    sage_rows = on_loop(lambda: _rows(plan, times))
    sage_row = {"way": "sage"}
    return Outcome(
        "serving.storm",
        f"{times * _AT_ONCE * len(_WINDOWS):,} clients that leave, {_AT_ONCE} at once",
        "none: what counts is that nothing is left, and soon",
        _COLUMNS,
        sage_rows,
        Chart("freed_most_ms", "all places are free after, ms", "{window}"),
        (Goal(sage_row, "freed_most_ms", most=50.0), Goal(sage_row, "left", most=0.0)),
        [
            "freed: from when the client has left until its request has left the server and the engine",
            "left over: tasks, requests, calls (program and service), requests in the engine; all on one core",
        ],
    )


async def _rows(plan: Plan, times: int) -> list[Row]:
    model = Model(EngineOptions(max_num_seqs=64, step=0.01), _PADDING)
    env = model_program(model, call_window=16)
    watched = Watched(sage.serving.openai_app(env, chat={"words": "words"}, admission=_ADMISSION))
    rows: list[Row] = []
    async with hosted(watched, send_buffer=BUFFER) as port:
        storm = Storm(watched, model, port)
        await _before_first(storm)  # so that there are as many workers as there will be
        await storm.settle()
        for window, leave in _WINDOWS.items():
            plan.progress(f"serving.storm: {window}")
            took = [one for _ in range(times) for one in await leave(storm)]
            rows.append(await _row(window, took, storm))
    return rows


async def _row(window: str, took: list[float], storm: Storm) -> Row:
    # A turn of the loop or two, for what only has to run to its end.
    for _ in range(5):
        await asyncio.sleep(0)
    return {
        "way": "sage",
        "window": window,
        "clients": len(took),
        "freed_p50_ms": percentile(took, 50),
        "freed_p99_ms": percentile(took, 99),
        "freed_most_ms": max(took),
        "left": storm.left + await storm.open_calls(),
    }
