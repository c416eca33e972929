"""The ASGI app around a program, whatever protocol it speaks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import timedelta
from typing import Any

from sage.admission import Admission
from sage.errors import GraphError
from sage.operators.errors import shorten
from sage.operators.numbers import is_number, seconds
from sage.serving.auth import Auth
from sage.serving.desk import Desk
from sage.serving.errors import RequestError, draining
from sage.serving.exchange import Exchange, Limits, path_of
from sage.serving.host import JobHost, Program, ServedJob
from sage.serving.installed import needed
from sage.serving.meters import Meters, MetricsNames, RequestMeter
from sage.serving.origins import Origins
from sage.serving.presence import LAST_WORDS, Receive, Scope, Send
from sage.serving.rates import Rate
from sage.serving.router import Handler, Routes, tell
from sage.serving.snapshots import door_metrics, job_metrics

__all__ = ["Front", "ServingApp", "encode"]

#: Answers a connection of another kind than HTTP: a WebSocket.
Connected = Callable[[Scope, Receive, Send], Awaitable[None]]


def encode(value: Any) -> bytes:
    """A value as JSON; arrays become lists, and models of pydantic what they dump.

    Raises:
        TypeError: there is something in it that JSON does not have.
    """
    encoded: bytes = needed("msgspec.json").encode(value, enc_hook=_plain)
    return encoded


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy, PyTorch
        return value.tolist()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{shorten(value)} cannot be written as JSON; reply with texts, numbers, lists and dicts")


class Front:
    """What the servers of all protocols have: the job, who may come in, what is counted.

    Args:
        env: the program.
        endpoints: those that are to be served; the program must have them.
        options: as in `openai_app`.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        env: Program,
        endpoints: set[str] | None,
        *,
        admission: Admission | None,
        auth: Auth | None,
        rate: Rate | None,
        timeout: float | timedelta | None,
        max_priority: int,
        metrics_names: MetricsNames,
        limits: Limits | None,
        origins: Iterable[str] = (),
    ) -> None:
        if metrics_names not in ("sage", "vllm"):
            raise GraphError(f"metrics_names={metrics_names!r}: write 'sage' or 'vllm'")
        for name, value, kind in (
            ("admission", admission, Admission),
            ("rate", rate, Rate),
            ("limits", limits, Limits),
        ):
            if not (value is None or isinstance(value, kind)):
                raise GraphError(f"{name}={value!r}: write {kind.__name__}(...)")
        if not isinstance(getattr(env, "name", None), str) or not hasattr(env, "start"):
            raise GraphError(f"{shorten(env)} cannot be served; give a sage.Environment")
        limit = seconds(timeout)
        if limit is not None and not is_number(limit, beyond=True):
            raise GraphError(f"timeout={timeout!r}: write seconds, more than 0, or leave it out")
        if isinstance(max_priority, bool) or not isinstance(max_priority, int):
            raise GraphError(f"max_priority={max_priority!r}: write a whole number")
        self.name = env.name
        self.limits = limits or Limits()
        self.origins = Origins(origins)
        self.host = JobHost(env, self._check)
        self.meters = Meters(metrics_names, self._snapshots)
        self.desk = Desk(
            f"the server of {env.name!r}",
            auth=auth,
            rate=rate,
            admission=admission,
            timeout=limit,
            max_priority=max_priority,
        )
        self._endpoints = endpoints
        self._names: MetricsNames = metrics_names

    def handlers(self) -> dict[str, Handler]:
        """What all servers answer."""
        return {"GET /health": self._health, "GET /ready": self._ready, "GET /metrics": self._metrics}

    async def metered(self, exchange: Exchange, model: str, work: Callable[[RequestMeter], Awaitable[None]]) -> None:
        """Answer a request, count it, and tell the client of what goes wrong.

        Cancel safety: the work is cancelled.
        """
        meter = self.meters.request(exchange.path, model)
        try:
            await work(meter)
        except asyncio.CancelledError:
            if exchange.presence.lost is not None:
                meter.left()
            raise
        except Exception as error:
            self.meters.refusal(error)
            problem = await tell(exchange, error)
            meter.ended(problem.status)
        else:
            meter.ended(200)

    def _check(self, job: ServedJob) -> None:
        missing = sorted((self._endpoints or set()) - set(job.endpoints))
        if missing:
            there = ", ".join(job.endpoints) or "none"
            raise GraphError(f"program {self.name!r} has no endpoint {missing[0]!r} to serve; there is: {there}")

    def _snapshots(self) -> Iterator[Any]:
        job = self.host.started
        if job is not None:
            yield from job_metrics(job.statistics(), job.open_calls)
        yield from door_metrics(self.desk.door, self.host.inside, self._names)

    async def _health(self, exchange: Exchange, rest: str) -> None:
        await _state(exchange, self.host.alive, "ok", "failed")

    async def _ready(self, exchange: Exchange, rest: str) -> None:
        await _state(exchange, self.host.ready, "ready", "not ready")

    async def _metrics(self, exchange: Exchange, rest: str) -> None:
        text = self.meters.text()
        await exchange.respond(200, text, content_type="text/plain; version=0.0.4; charset=utf-8")


class ServingApp:
    """An ASGI app that serves a program. `openai_app` and `app` make it.

    A server such as uvicorn starts and closes the job with itself. Mounted in another app, it has no life of its own:
    the other app's lifespan enters `lifespan`::

        @contextlib.asynccontextmanager
        async def lifespan(_):
            async with served.lifespan():
                yield

        outer = FastAPI(lifespan=lifespan)
        outer.mount("/models", served)

    Args:
        front: what all servers have.
        handlers: what answers which path.
        websocket: what answers WebSockets, if anything does.
    """

    def __init__(self, front: Front, handlers: Mapping[str, Handler], websocket: Connected | None = None) -> None:
        self.name = front.name
        #: Whether only those with a key are let in.
        self.guarded = front.desk.guarded
        self._front = front
        self._routes = Routes({**front.handlers(), **handlers})
        self._websocket = websocket

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Have the program run for a block, for whoever mounts this app in another.

        Raises:
            GraphError: it runs already, or cannot run.
            JobFailed: the job failed meanwhile.
        """
        return self._front.host.running()

    async def drain(self) -> None:
        """Take no more requests; return when those under way are answered.

        Cancel safety: still no requests are taken.
        """
        await self._front.host.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._front.host.lifespan(receive, send)
        elif scope["type"] == "http":
            exchange = Exchange(scope, receive, send, self._front.limits)
            try:
                await self._http(exchange)
            except asyncio.CancelledError:
                if exchange.presence.lost is None:
                    await _last_words(exchange)  # the server does not wait any longer; the client is there
                raise
            finally:
                exchange.close()
        elif self._websocket is not None and path_of(scope).startswith("/ws/"):
            await self._websocket(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "there is no WebSocket here"})

    async def _http(self, exchange: Exchange) -> None:
        exchange.shared = self._front.origins.shared(exchange.headers)
        if (told := self._front.origins.asked(exchange.method, exchange.headers)) is not None:
            await exchange.respond(200, b"", told, content_type="text/plain")
            return
        try:
            handler, rest = self._routes.find(exchange.method, exchange.path)
            await exchange.read()
        except RequestError as problem:
            await tell(exchange, problem)
            return
        # Who only looks is not waited for, nor counted among those who are served.
        with self._front.host.request() if exchange.method == "POST" else nullcontext():
            async with exchange.presence:
                try:
                    await handler(exchange, rest)
                except Exception as error:
                    await tell(exchange, error)


async def _last_words(exchange: Exchange) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS):
            await tell(exchange, draining())


async def _state(exchange: Exchange, good: bool, yes: str, no: str) -> None:
    await exchange.respond(200 if good else 503, encode({"status": yes if good else no}))
