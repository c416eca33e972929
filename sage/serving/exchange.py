"""One HTTP request and its response, on raw ASGI."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from sage.errors import GraphError
from sage.operators.numbers import is_count, is_number, seconds
from sage.serving.errors import RequestError
from sage.serving.presence import Presence, Receive, Scope, Send
from sage.serving.stall import Stall

__all__ = ["CHUNKS", "EVENTS", "LINES", "Exchange", "Framing", "Limits", "headers_of", "path_of", "request_id_of"]


class Framing(NamedTuple):
    """How the parts of a stream are told apart.

    Attributes:
        content_type: the type of the whole.
        before: what stands before each part.
        after: what stands behind it.
        before_error: what stands before the last part when it tells of an error.
        comment: what readers pass over; `None` if there is no such thing.
    """

    content_type: str
    before: bytes
    after: bytes
    before_error: bytes
    comment: bytes | None = None


_EVENTS, _COMMENT = "text/event-stream; charset=utf-8", b": keep-alive\n\n"
#: As the OpenAI protocol has it: an error is told by what it holds.
CHUNKS = Framing(_EVENTS, b"data: ", b"\n\n", b"data: ", _COMMENT)
#: Records may hold anything, so an error is an event of another name.
EVENTS = Framing(_EVENTS, b"data: ", b"\n\n", b"event: error\ndata: ", _COMMENT)
LINES = Framing("application/x-ndjson", b"", b"\n", b"")


#: Seconds behind which a client that sends its request bit by bit is given up.
_BODY_TIMEOUT = 60.0
#: A body may be so many times larger than it may be, and is still read to its end.
_READ_ON = 16
_LONGEST_LENGTH = 20
_LONGEST_ID = 128
_JSON = "application/json"
# The second keeps nginx from gathering what is to be passed on at once.
_UNBUFFERED = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True)
class Limits:
    """What one connection may cost.

    Args:
        body: bytes of a request.
        write: bytes of a response that are handed to the connection at once. As many again may lie in the server's
            buffer before the answer is held back.
        stall: seconds, or a timedelta, for which a client may take nothing of what is ready for it.
        keep_alive: seconds, or a timedelta, behind which a stream of events gets a comment while there is nothing else
            to write; its status is then 200, whatever comes. `None` for no comments.

    Raises:
        GraphError: a value cannot be.
    """

    body: int = 4 << 20
    write: int = 1 << 16
    stall: float | timedelta = 30.0
    keep_alive: float | timedelta | None = 15.0

    def __post_init__(self) -> None:
        for name in ("body", "write"):
            if not is_count(getattr(self, name)):
                raise GraphError(f"Limits({name}={getattr(self, name)!r}): write a number of bytes, 1 or more")
        for name in ("stall", "keep_alive"):
            value = getattr(self, name)
            if not (is_number(seconds(value), beyond=True) or (name == "keep_alive" and value is None)):
                raise GraphError(f"Limits({name}={value!r}): write seconds, more than 0")


def path_of(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path: str = scope["path"]
    mounted = scope.get("root_path", "").rstrip("/")
    return (path.removeprefix(mounted) if path.startswith(f"{mounted}/") else path) or "/"


class Exchange:
    """One request and its response.

    Args:
        scope, receive, send: as ASGI gives them.
        limits: what the connection may cost.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        self.headers = headers_of(scope)
        self.id = request_id_of(self.headers)
        self.method: str = scope["method"]
        self.path = path_of(scope)
        #: The body, once it was read.
        self.content = b""
        #: Whether the head of the response was sent.
        self.started = False
        #: Whether its last part was given to the server.
        self.ended = False
        #: How the parts of a stream are told apart; `None` if the response is none.
        self.framing: Framing | None = None
        #: What the head says besides.
        self.shared: Mapping[str, str] = {}
        self.presence = Presence(receive)
        self._stall = Stall(seconds(limits.stall), partial(self.presence.lose, "stalled"))
        self._receive = receive
        self._send = send
        self.limits = limits

    async def read(self) -> None:
        """Read the whole body, as `content`.

        One that is too large is read to its end all the same, unless the client waits to be told, or it is larger by
        far: who is still sending when the connection is closed does not get to see why.

        Cancel safety: what was read is lost.

        Raises:
            RequestError: it is too large, comes too slowly, or the client left.
        """
        parts: list[bytes] = []
        size, most = 0, self.limits.body
        if self._declared() > (most if "expect" in self.headers else _READ_ON * most):
            raise self._too_large()
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                while True:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise RequestError("the client left before it had sent its request", code="disconnected")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        parts.clear()
                    if size > _READ_ON * most:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise RequestError("the request did not come whole in time", status=408) from None
        if size > most:
            raise self._too_large()
        self.content = b"".join(parts)

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of the response.

        Cancel safety: as `send` of the server has it; the response cannot be started again.
        """
        self.started = True
        told = {"content-type": content_type, "x-request-id": self.id, **self.shared, **(headers or {})}
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def start_stream(self, framing: Framing) -> None:
        """Send the head of a stream.

        Cancel safety: as `start`.
        """
        self.framing = framing
        await self.start(200, framing.content_type, _UNBUFFERED)

    async def write(self, data: bytes) -> None:
        """Send a part of the body: in one write, unless it is larger than `Limits.write`.

        Waits while the client takes nothing; if it does so for too long, the exchange is cancelled.

        Cancel safety: what was not sent yet is not.
        """
        if len(data) <= self.limits.write:
            await self._write(data)
            return
        for start in range(0, len(data), self.limits.write):
            await self._write(data[start : start + self.limits.write])

    async def end(self, last: bytes = b"") -> None:
        """Send the last part of the body.

        Cancel safety: the response stays unfinished.
        """
        self.ended = True
        await self._write(last, more=False)

    async def respond(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, content_type: str = _JSON
    ) -> None:
        """Send a whole response.

        Cancel safety: as `start` and `end`.
        """
        await self.start(status, content_type, {"content-length": str(len(body)), **(headers or {})})
        await self.end(b"" if self.method == "HEAD" else body)

    def _declared(self) -> int:
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() and len(length) < _LONGEST_LENGTH else 0

    def _too_large(self) -> RequestError:
        return RequestError(f"the request is larger than {self.limits.body} bytes", status=413)

    def close(self) -> None:
        """Let go of what watched the client; to be called when all is done."""
        self._stall.close()

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        self._stall.begin()
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            self._stall.done()


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers, by their names in small letters."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def request_id_of(headers: Mapping[str, str]) -> str:
    """The id that the client gave, if it can stand in a header and in a log; else a new one."""
    asked = headers.get("x-request-id", "")
    if 0 < len(asked) <= _LONGEST_ID and asked.isascii() and asked.isprintable():
        return asked
    return f"req-{uuid.uuid4().hex}"
