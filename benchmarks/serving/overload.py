"""S3: more requests than the engine can do. Who is let in gets an answer in time, and who is not is told at once."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median

import sage
from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.arrivals import Seen, ask_all, poisson
from benchmarks.serving.clients import Clients, chat_request
from benchmarks.serving.engine import engine_app
from benchmarks.serving.host import App, host
from benchmarks.transports.flow import hear
from benchmarks.transports.stage import Stage, Way
from benchmarks.transports.worker import Figures, Port
from sage.serving.mock import EngineOptions

__all__ = ["compare", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("load", "load", ".1f"),
    Column("asked_per_second", "asked/s", ",.1f"),
    Column("good_per_second", "in time/s", ",.1f"),
    Column("of_best", "of best", ".2f"),
    Column("whole_p50_ms", "whole p50 ms", ",.0f"),
    Column("whole_p99_ms", "p99 ms", ",.0f"),
    Column("refused", "refused", ".0%"),
    Column("refused_p50_ms", "told p50 ms", ".2f"),
    Column("refused_p99_ms", "p99 ms", ".2f"),
)
_PLACES, _TOKENS, _STEP = 8, 20, 0.01
#: Requests a second that the engine can do.
_CAPACITY = _PLACES / (_TOKENS * _STEP)
#: Seconds in which an answer has to be whole: thrice what it takes without waiting.
_IN_TIME = 3 * _TOKENS * _STEP
_ENGINE = EngineOptions(max_num_seqs=_PLACES, max_waiting=100_000, step=_STEP)
_SAGE, _OPEN = "sage", "no admission"
_ADMISSION = sage.Admission(max_requests=_PLACES, max_queued=_PLACES)
_WAYS: Mapping[str, Callable[[], App]] = {
    _SAGE: partial(engine_app, _ENGINE, admission=_ADMISSION),
    _OPEN: partial(engine_app, _ENGINE),
}


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    with Stage() as stage:
        return [compare(plan, stage)]


def compare(plan: Plan, stage: Stage) -> Outcome:
    """Measure several loads, each for some seconds.

    Raises:
        StageFailed: one did not come to its end.
    """
    seconds = plan.size(4, 0) or 0.2
    loads = (0.5, 3.0) if plan.quick else (0.5, 1.0, 1.5, 2.0, 3.0)
    asked = [(_SAGE, load) for load in loads] + [(_OPEN, load) for load in (1.0, 3.0) if load in loads]
    rounds: list[dict[tuple[str, float], Row]] = []
    for number in range(plan.pairs):
        plan.progress(f"serving.overload: round {number + 1} of {plan.pairs}")
        rounds.append({(way, load): _figures(stage, way, load, seconds, number) for way, load in asked})
    rows = [_row(way, load, rounds) for way, load in asked]
    goals = (Goal({"way": _SAGE, "load": 3.0}, "of_best", least=0.9), Goal({"way": _SAGE}, "refused_p99_ms", most=10.0))
    return Outcome(
        "serving.overload",
        f"answers of {_TOKENS} tokens from an engine of {_PLACES} places that can do {_CAPACITY:g} of them a second",
        "the same without admission: all are let in, and wait",
        _COLUMNS,
        rows,
        Chart("good_per_second", "answers in time, a second", "{way}, {load} × capacity", reference=_CAPACITY),
        goals,
        [
            "load: requests that come, as a multiple of what the engine can do; they come at any time",
            f"in time: whole {_IN_TIME:g} s after the request was to be sent, at the latest",
            f"sage: Admission(max_requests={_PLACES}, max_queued={_PLACES})",
        ],
    )


def _figures(stage: Stage, name: str, load: float, seconds: float, seed: int) -> Row:
    times = poisson(load * _CAPACITY, seconds, seed)
    near = partial(_ask, times=times)
    way = Way(f"{name}, {load:g} × capacity", near, partial(host, make_app=_WAYS[name]), len(times))
    seen: list[Seen] = stage.play(way).near["seen"]
    whole = [answer for answer in seen if answer.status == 200]
    refused = [answer for answer in seen if answer.status == 429]
    expect(len(whole) + len(refused) == len(seen), "an answer that is neither whole nor a refusal")
    expect(all(len(answer.tokens) == _TOKENS for answer in whole), "an answer is not whole")
    took = [answer.ended - answer.intended for answer in whole]
    told = [1e3 * (answer.ended - answer.intended) for answer in refused]
    row: dict[str, str | float] = {
        "asked_per_second": len(seen) / seconds,
        # From the first request that was to be sent until nothing was under way.
        "good_per_second": sum(one <= _IN_TIME for one in took) / (_end(seen) - seen[0].intended),
        "whole_p50_ms": 1e3 * percentile(took, 50),
        "whole_p99_ms": 1e3 * percentile(took, 99),
        "refused": len(refused) / len(seen),
    }
    if told:
        row |= {"refused_p50_ms": percentile(told, 50), "refused_p99_ms": percentile(told, 99)}
    return row


def _end(seen: Sequence[Seen]) -> float:
    return max(answer.ended for answer in seen)


def _row(way: str, load: float, rounds: Sequence[Mapping[tuple[str, float], Row]]) -> Row:
    """Medians over the rounds; how much of the best it is, within each."""
    row: dict[str, str | float] = {"way": way, "load": load}
    for key in {key: None for one in rounds for key in one[way, load]}:
        row[key] = median(float(one[way, load][key]) for one in rounds if key in one[way, load])
    parts = []
    for one in rounds:
        best = max(float(figures["good_per_second"]) for (other, _), figures in one.items() if other == way)
        parts.append(float(one[way, load]["good_per_second"]) / best if best else 0.0)  # nothing was in time
    return {**row, "of_best": median(parts)}


def _ask(port: Port, times: Sequence[float]) -> Figures:
    """The near part."""

    async def program() -> Figures:
        clients = Clients(await hear(port))
        await clients.open(64)
        request = chat_request(str(_TOKENS))
        await ask_all(clients, request, [0.0] * _PLACES)
        port.tell("warm")
        seen = await ask_all(clients, request, times)
        port.tell("done")
        clients.close()
        return {"seen": seen}

    return on_loop(program)
