"""S2: how much later tokens come through a program of sage than straight from the engine."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median

from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.arrivals import Seen, ask_all, poisson
from benchmarks.serving.clients import Clients, chat_request
from benchmarks.serving.engine import direct_app, engine_app
from benchmarks.serving.host import App, host
from benchmarks.transports.flow import hear
from benchmarks.transports.stage import Stage, Way
from benchmarks.transports.worker import Figures, Port
from sage.serving.mock import EngineOptions

__all__ = ["compare", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("first_p50_ms", "first token p50 ms", ".2f"),
    Column("first_p99_ms", "p99 ms", ".2f"),
    Column("first_added_ms", "added", ".2f"),
    Column("next_p50_ms", "next tokens p50 ms", ".2f"),
    Column("next_p99_ms", "p99 ms", ".2f"),
    Column("next_added_ms", "added", ".2f"),
    Column("gap_p99_ms", "gap p99 ms", ".2f"),
)
_DIRECT, _SAGE = "the engine itself", "sage"
_ENGINE = EngineOptions(max_num_seqs=256, step=0.02)
_WAYS: Mapping[str, Callable[[], App]] = {
    _DIRECT: partial(direct_app, _ENGINE),
    _SAGE: partial(engine_app, _ENGINE),
}


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    with Stage() as stage:
        return [compare(plan, stage)]


def compare(plan: Plan, stage: Stage) -> Outcome:
    """Measure both in turn.

    Raises:
        StageFailed: one did not come to its end.
    """
    tokens, at_once, seconds = plan.size(25, 2), 32, plan.size(3, 0) or 0.1
    times = poisson(at_once / (tokens * _ENGINE.step), seconds, seed=1)
    rounds: list[dict[str, Row]] = []
    for number in range(1 + plan.pairs):
        plan.progress(f"serving.latency: round {number} of {plan.pairs}")
        rounds.append({name: _figures(stage, name, tokens, times) for name in _WAYS})
    rows = [_row(name, rounds[1:]) for name in _WAYS]
    sage = {"way": _SAGE}
    return Outcome(
        "serving.latency",
        f"{len(times)} requests at any time, of {tokens} tokens each, about {at_once} at once; 50 tokens/s for each",
        _DIRECT,
        _COLUMNS,
        rows,
        Chart("next_p50_ms", "how late a token is, median, ms"),
        (Goal(sage, "first_added_ms", most=1.0), Goal(sage, "next_added_ms", most=1.0)),
        [
            "first token: on the way to the engine and back; next tokens: back, from when they were due",
            "added: what the median is more than that of the engine itself, in the same round",
        ],
    )


def _figures(stage: Stage, name: str, tokens: int, times: Sequence[float]) -> Row:
    near = partial(_ask, tokens=tokens, times=times)
    way = Way(name, near, partial(host, make_app=_WAYS[name]), len(times))
    seen: list[Seen] = stage.play(way).near["seen"]
    for answer in seen:
        expect(
            answer.status == 200 and len(answer.tokens) == tokens, f"{name}: {len(answer.tokens)} of {tokens} tokens"
        )
    starts = [(answer.intended, *answer.tokens[0]) for answer in seen]
    first = [1e3 * (stamp.asked - intended + came - stamp.due) for intended, stamp, came in starts]
    after = [1e3 * (came - stamp.due) for answer in seen for stamp, came in answer.tokens[1:]]
    gaps = [1e3 * gap for answer in seen for gap in answer.gaps]
    return {
        "first_p50_ms": percentile(first, 50),
        "first_p99_ms": percentile(first, 99),
        "next_p50_ms": percentile(after, 50),
        "next_p99_ms": percentile(after, 99),
        "gap_p99_ms": percentile(gaps, 99),
    }


def _row(name: str, rounds: Sequence[Mapping[str, Row]]) -> Row:
    """Medians over the rounds; differences are taken within each."""
    keys = rounds[0][name]
    row: dict[str, str | float] = {key: median(float(one[name][key]) for one in rounds) for key in keys}
    if name != _DIRECT:
        for which in ("first", "next"):
            key = f"{which}_p50_ms"
            added = [float(one[name][key]) - float(one[_DIRECT][key]) for one in rounds]
            row[f"{which}_added_ms"] = max(0.0, median(added))
    return {"way": name, **row}


def _ask(port: Port, tokens: int, times: Sequence[float]) -> Figures:
    """The near part."""

    async def program() -> Figures:
        clients = Clients(await hear(port))
        await clients.open(64)
        request = chat_request(str(tokens))
        await ask_all(clients, request, times[:16])
        port.tell("warm")
        seen = await ask_all(clients, request, times)
        port.tell("done")
        clients.close()
        return {"seen": seen}

    return on_loop(program)
