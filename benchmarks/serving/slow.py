"""S5: one in ten readers is slow. What the others notice of it."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.arrivals import Seen
from benchmarks.serving.clients import Client, chat_request, connect
from benchmarks.serving.engine import engine_app
from benchmarks.serving.host import host
from benchmarks.transports.flow import hear
from benchmarks.transports.stage import Stage, Way, clock
from benchmarks.transports.worker import Figures, Port
from sage.serving.mock import EngineOptions

__all__ = ["compare", "run"]

_COLUMNS = (
    Column("way", "way"),
    Column("slow", "slow readers", ",d"),
    Column("gap_p50_ms", "gap p50 ms", ".2f"),
    Column("gap_p50_times", "×", ".2f"),
    Column("gap_p99_ms", "p99 ms", ".2f"),
    Column("gap_p99_times", "×", ".2f"),
    Column("late_p50_ms", "late p50 ms", ".2f"),
    Column("late_p99_ms", "p99 ms", ".2f"),
)
_ENGINE = EngineOptions(max_num_seqs=64, step=0.02)
_PADDING = 4_096
#: Bytes that the kernel keeps for a connection, on either side: what lies there, nobody feels.
_BUFFER = 16_384
#: A slow reader takes what is there, and then nothing for so many seconds.
_REST = 0.5
#: No gap is taken for shorter: tokens that a machine which stood still reads at once have none between them.
_LEAST_MS = 0.001
_FLOOR, _SAGE = "sage, nobody slow", "sage"


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    with Stage() as stage:
        return [compare(plan, stage)]


def compare(plan: Plan, stage: Stage) -> Outcome:
    """Measure without and with slow readers, in turn.

    Raises:
        StageFailed: one did not come to its end.
    """
    readers, tokens = plan.size(40, 10), plan.size(150, 5)
    slow = {_FLOOR: 0, _SAGE: readers // 10}
    rounds: list[dict[str, Row]] = []
    for number in range(1 + plan.pairs):
        plan.progress(f"serving.slow: round {number} of {plan.pairs}")
        rounds.append({name: _figures(stage, name, readers, slow[name], tokens) for name in slow})
    rows = [{"slow": slow[name], **_row(name, rounds[1:])} for name in slow]
    sage = {"way": _SAGE}
    return Outcome(
        "serving.slow",
        f"{readers} readers of {tokens} tokens of {_PADDING:,} bytes, 50 a second for each; what the quick ones see",
        "nobody is slow",
        _COLUMNS,
        rows,
        Chart("gap_p99_ms", "99 % of the gaps between tokens are shorter, ms"),
        (Goal(sage, "gap_p50_times", most=1.1), Goal(sage, "gap_p99_times", most=1.1)),
        [f"a slow reader takes what is there twice a second; buffers of {_BUFFER:,} bytes on either side"],
    )


def _figures(stage: Stage, name: str, readers: int, slow: int, tokens: int) -> Row:
    make_app = partial(engine_app, _ENGINE, padding=_PADDING, call_window=16)
    far = partial(host, make_app=make_app, send_buffer=_BUFFER)
    way = Way(name, partial(_ask, readers=readers, slow=slow, tokens=tokens), far, readers * tokens)
    seen: list[Seen] = stage.play(way).near["seen"]
    expect(all(len(answer.tokens) == tokens for answer in seen), "an answer of a quick reader is not whole")
    gaps = [1e3 * gap for answer in seen for gap in answer.gaps]
    late = [1e3 * (came - stamp.due) for answer in seen for stamp, came in answer.tokens]
    return {
        "gap_p50_ms": percentile(gaps, 50),
        "gap_p99_ms": percentile(gaps, 99),
        "late_p50_ms": percentile(late, 50),
        "late_p99_ms": percentile(late, 99),
    }


def _row(name: str, rounds: Sequence[Mapping[str, Row]]) -> Row:
    """Medians over the rounds; ratios are taken within each."""
    row: dict[str, str | float] = {key: median(float(one[name][key]) for one in rounds) for key in rounds[0][name]}
    if name != _FLOOR:
        for key in ("gap_p50", "gap_p99"):
            row[f"{key}_times"] = median(
                float(one[name][f"{key}_ms"]) / max(float(one[_FLOOR][f"{key}_ms"]), _LEAST_MS) for one in rounds
            )
    return {"way": name, **row}


def _ask(port: Port, readers: int, slow: int, tokens: int) -> Figures:
    """The near part: what the quick readers have seen."""

    async def program() -> Figures:
        number = await hear(port)
        clients = [await connect(number) for _ in range(readers)]
        port.tell("warm")
        request, began = chat_request(str(tokens)), clock()
        dawdling = [asyncio.create_task(_dawdle(client, request)) for client in clients[:slow]]
        seen = [Seen(began) for _ in clients[slow:]]
        await asyncio.gather(
            *(client.ask(request, answer.take) for client, answer in zip(clients[slow:], seen, strict=True))
        )
        port.tell("done")
        for task in dawdling:
            task.cancel()
        await asyncio.gather(*dawdling, return_exceptions=True)
        for client in clients:
            client.leave()
        return {"seen": seen}

    return on_loop(program)


async def _dawdle(client: Client, request: bytes) -> None:
    """Read now and then."""
    client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def rest(now: float, data: bytes) -> None:
        client.transport.pause_reading()
        asyncio.get_running_loop().call_later(_REST, client.transport.resume_reading)

    await client.ask(request, rest)
