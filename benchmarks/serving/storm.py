"""S4: clients that go away, each while its request is in one of five windows. What of it is left, and for how long."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import sage
from benchmarks.event_loops import on_loop
from benchmarks.measure import WrongResult, expect, percentile
from benchmarks.outcome import Chart, Column, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.serving.clients import Client, chat_request, connect
from benchmarks.serving.engine import Model, model_program
from benchmarks.serving.host import App, Message, Receive, Send, hosted
from benchmarks.transports.stage import clock
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
_BUFFER, _PADDING = 16_384, 16_384
#: Seconds after which something that should come to pass has not.
_PATIENCE = 10.0
#: An answer whose first token never comes, one that does not end soon, and one that is much at once.
_NEVER, _LONG = "0", "10000"


@dataclass
class _Watched:
    """The app, and what can be seen of each request from outside: whether a write waits, and when all has ended."""

    app: App
    writing: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    ended: dict[str, float] = field(default_factory=dict)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = next(value.decode() for key, value in scope["headers"] if key == b"x-request-id")

        async def seen(message: Message) -> None:
            self.writing.add(name)
            try:
                await send(message)
            finally:
                self.writing.discard(name)

        self.inside.add(name)
        try:
            await self.app(scope, receive, seen)
        finally:
            self.inside.discard(name)
            self.ended[name] = clock()


@dataclass
class _Visitor:
    """A client, and the id of its request."""

    client: Client
    name: str
    task: "asyncio.Task[object]"
    tokens: int = 0


class _Storm:
    """Visitors of one server, in the same event loop.

    Args:
        watched: the server.
        model: the engine behind it.
        port: where it is.
    """

    def __init__(self, watched: _Watched, model: Model, port: int) -> None:
        self.watched, self.model, self._port = watched, model, port
        self._number = 0
        self._tasks = 0

    async def settle(self) -> None:
        """Count what is there when nothing is under way.

        Cancel safety: nothing is changed.
        """
        await self.until(lambda: not self.watched.inside, "the server is idle")
        self._tasks = len(asyncio.all_tasks())

    @property
    def left(self) -> int:
        """Tasks, requests, calls of the service, and requests in the engine, beyond what there is when it is idle."""
        engine, tasks = self.model.engine, len(asyncio.all_tasks()) - self._tasks
        inside = len(self.watched.inside) + len(self.model.inside) + engine.running + engine.waiting
        return max(0, tasks) + inside

    async def visit(self, content: str, *, stream: bool = True, reads: bool = True) -> _Visitor:
        """Send a request."""
        client = await connect(self._port)
        self._number += 1
        name = f"visitor-{self._number}"
        request = chat_request(content, stream=stream, headers={"x-request-id": name})
        if not reads:
            client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

        def took(now: float, data: bytes) -> None:
            visitor.tokens += 1
            if not reads:
                client.transport.pause_reading()

        visitor = _Visitor(client, name, asyncio.create_task(client.ask(request, took)))
        return visitor

    async def leave(self, visitors: list[_Visitor]) -> list[float]:
        """All go away at once; gives after how many milliseconds the places of each were free."""
        left: dict[str, float] = {}
        for visitor in visitors:
            left[visitor.name] = clock()
            visitor.client.leave()
        names = set(left)
        await self.until(lambda: not names & (self.watched.inside | self.model.inside), "all places are free")
        await asyncio.gather(*(visitor.task for visitor in visitors), return_exceptions=True)
        ends = (self.watched.ended, self.model.ended)
        return [1e3 * (max(ended.get(name, 0.0) for ended in ends) - when) for name, when in left.items()]

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something in the server that nobody tells of.

        Cancel safety: nothing is changed.

        Raises:
            WrongResult: it does not come to pass.
        """
        end = clock() + _PATIENCE
        while not holds():
            if clock() > end:
                raise WrongResult(f"waited {_PATIENCE:g} s until {what}")
            await asyncio.sleep(0.001)


async def _queued(storm: _Storm) -> list[float]:
    holders = await _many(storm, _NEVER)
    await storm.until(lambda: len(storm.model.inside) == _AT_ONCE, "all places are taken")
    waiting = await _many(storm, _NEVER)
    names = {visitor.name for visitor in waiting}
    await storm.until(lambda: names <= storm.watched.inside, "all have come")
    took = await storm.leave(waiting)
    expect(not names & storm.model.ended.keys(), "there was work on a request that was queued")
    await storm.leave(holders)
    return took


async def _before_first(storm: _Storm) -> list[float]:
    return await _leave_when_inside(storm, await _many(storm, _NEVER))


async def _not_streaming(storm: _Storm) -> list[float]:
    return await _leave_when_inside(storm, [await storm.visit(_LONG, stream=False) for _ in range(_AT_ONCE)])


async def _mid_stream(storm: _Storm) -> list[float]:
    visitors = await _many(storm, _LONG)
    await storm.until(lambda: all(visitor.tokens for visitor in visitors), "all have a token")
    return await storm.leave(visitors)


async def _blocked(storm: _Storm) -> list[float]:
    visitors = [await storm.visit(_LONG, reads=False) for _ in range(_AT_ONCE)]
    names = {visitor.name for visitor in visitors}
    await storm.until(lambda: names <= storm.watched.writing, "all writes wait")
    return await storm.leave(visitors)


async def _many(storm: _Storm, content: str) -> list[_Visitor]:
    return [await storm.visit(content) for _ in range(_AT_ONCE)]


async def _leave_when_inside(storm: _Storm, visitors: list[_Visitor]) -> list[float]:
    names = {visitor.name for visitor in visitors}
    await storm.until(lambda: names <= storm.model.inside, "all are worked on")
    return await storm.leave(visitors)


_WINDOWS: dict[str, Callable[[_Storm], Awaitable[list[float]]]] = {
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
            "freed: from when the client has left until its request has left the server, and the engine behind it",
            "left over: tasks, requests, calls of the service and requests in its engine; all share a core",
        ],
    )


async def _rows(plan: Plan, times: int) -> list[Row]:
    model = Model(EngineOptions(max_num_seqs=64, step=0.01), _PADDING)
    env = model_program(model, call_window=16)
    watched = _Watched(sage.serving.openai_app(env, chat={"words": "words"}, admission=_ADMISSION))
    rows: list[Row] = []
    async with hosted(watched, send_buffer=_BUFFER) as port:
        storm = _Storm(watched, model, port)
        await _before_first(storm)  # so that there are as many workers as there will be
        await storm.settle()
        for window, leave in _WINDOWS.items():
            plan.progress(f"serving.storm: {window}")
            took = [one for _ in range(times) for one in await leave(storm)]
            rows.append(await _row(window, took, storm))
    return rows


async def _row(window: str, took: list[float], storm: _Storm) -> Row:
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
        "left": storm.left,
    }
