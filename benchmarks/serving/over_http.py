"""S1, over HTTP: the same stream of tokens as events of the OpenAI protocol, beside Starlette's `StreamingResponse`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.event_loops import on_loop
from benchmarks.measure import expect, percentile
from benchmarks.outcome import Column, Outcome
from benchmarks.plan import Plan
from benchmarks.serving.clients import Client, chat_request, connect
from benchmarks.serving.host import App, host
from benchmarks.serving.servers import bare_app, sage_app, starlette_app
from benchmarks.serving.streams import Streams
from benchmarks.transports.duel import Duel, hold_duels
from benchmarks.transports.figures import Measure
from benchmarks.transports.flow import hear
from benchmarks.transports.stage import Played, Stage, Way, clock
from benchmarks.transports.worker import Figures, Port

__all__ = ["compare", "run"]

#: How a token ends in an event, and nothing else does.
_TOKEN: Final = b'!"}'
_NAMES: Mapping[str, Callable[[], App]] = {
    "sage": sage_app,
    "Starlette": starlette_app,
    "bare ASGI": bare_app,
}


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    with Stage() as stage:
        return [compare(plan, stage)]


def compare(plan: Plan, stage: Stage) -> Outcome:
    """Measure 64 streams, which the goal is about, and others."""
    duels = []
    for at_once in (4,) if plan.quick else (64, 1, 8, 256):
        streams = Streams(at_once, plan.size(512, 8), plan.size(200, 20))
        floor, subject, bare = (_way(name, streams) for name in ("Starlette", "sage", "bare ASGI"))
        duels.append(Duel(subject, floor, {"speed": (1.5, None)} if at_once == 64 else None))
        if at_once == 64:
            duels.append(Duel(bare, floor))
    title = "tokens as events over HTTP, through a generator and two maps; how many answers at once"
    note = "uvicorn with uvloop and httptools in one process, whose CPU it is; clients of bare sockets in another"
    return hold_duels("serving.http", title, duels, _MEASURE, plan, stage, [note])


def _way(name: str, streams: Streams) -> Way:
    far = partial(host, make_app=_NAMES[name])
    return Way(f"{name} {streams.at_once}", partial(_ask, streams=streams), far, streams.total)


def _ask(port: Port, streams: Streams) -> Figures:
    async def program() -> Figures:
        return await _load(port, await hear(port), streams)

    return on_loop(program)


async def _load(port: Port, number: int, streams: Streams) -> Figures:
    """The near part: so many clients that each ask again when they have their answer."""
    clients = [await connect(number) for _ in range(streams.at_once)]
    await asyncio.gather(*(_client(client, streams, 1) for client in clients))
    port.tell("warm")
    began, cpu = clock(), time.process_time()
    firsts = await asyncio.gather(*(_client(client, streams, streams.rounds) for client in clients))
    figures = {"began": began, "ended": clock(), "ask_cpu": time.process_time() - cpu}
    port.tell("done")
    for client in clients:
        client.leave()
    return {**figures, "firsts": [took for some in firsts for took in some]}


async def _client(client: Client, streams: Streams, rounds: int) -> list[float]:
    """The seconds to the first token of each answer."""
    request = chat_request(str(streams.tokens))
    firsts: list[float] = []
    for _ in range(rounds):
        taken = _Tokens()
        asked = clock()
        answer = await client.ask(request, taken.take)
        expect(
            answer.status == 200 and taken.count == streams.tokens,
            f"status {answer.status}, {taken.count} of {streams.tokens} tokens",
        )
        firsts.append(taken.first - asked)
    return firsts


@dataclass
class _Tokens:
    """Counts the tokens of an answer."""

    count: int = 0
    first: float = 0.0
    _tail: bytes = b""

    def take(self, now: float, data: bytes) -> None:
        """Bytes of it have come."""
        found = (self._tail + data).count(_TOKEN)
        self._tail = data[1 - len(_TOKEN) :]
        if found and not self.count:
            self.first = now
        self.count += found


def _read(way: Way, played: Played) -> dict[str, float]:
    near = played.near
    firsts = [1e3 * seconds for seconds in near["firsts"]]
    return {
        "per_second": way.amount / (near["ended"] - near["began"]),
        "serve_cpu_us": 1e6 * played.far["serve_cpu"] / way.amount,
        "ask_cpu_us": 1e6 * near["ask_cpu"] / way.amount,
        "first_p50_ms": percentile(firsts, 50),
        "first_p99_ms": percentile(firsts, 99),
    }


_MEASURE: Final = Measure(
    _read,
    "per_second",
    "speed",
    (
        Column("way", "way"),
        Column("per_second", "tokens/s", ",.0f"),
        Column("against", "against"),
        Column("speed", "speed", ".2f"),
        Column("speed_least", "least", ".2f"),
        Column("speed_most", "most", ".2f"),
        Column("serve_cpu_us", "CPU µs", ".2f"),
        Column("ask_cpu_us", "client's", ".2f"),
        Column("first_p50_ms", "first p50 ms", ".2f"),
        Column("first_p99_ms", "p99 ms", ".2f"),
    ),
    "tokens/s",
)
