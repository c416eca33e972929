"""One HTTP request and its response, on raw ASGI."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sage.serving.errors import RequestError
from sage.serving.presence import Presence, Receive, Scope, Send
from sage.serving.stall import Stall

__all__ = ["EVENTS", "LINES", "Exchange", "Framing", "Limits", "headers_of", "path_of", "request_id_of"]

#: What stands before and behind each part of a stream, and the type of its content.
Framing = tuple[bytes, bytes, str]
EVENTS: Framing = (b"data: ", b"\n\n", "text/event-stream; charset=utf-8")
LINES: Framing = (b"", b"\n", "application/x-ndjson")

#: Seconds behind which a client that sends its request bit by bit is given up.
_BODY_TIMEOUT = 60.0
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
        stall: seconds for which a client may take nothing of what is ready for it.
    """

    body: int = 4 << 20
    write: int = 1 << 16
    stall: float = 30.0


def path_of(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


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
        #: How the parts of a stream are told apart; `None` if the response is none.
        self.framing: Framing | None = None
        self.presence = Presence(receive)
        self._stall = Stall(limits.stall, partial(self.presence.lose, "stalled"))
        self._receive = receive
        self._send = send
        self._limits = limits

    async def read(self) -> None:
        """Read the whole body, as `content`.

        Cancel safety: what was read is lost.

        Raises:
            RequestError: it is too large, comes too slowly, or the client left.
        """
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                while True:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise RequestError("the client left before it had sent its request", code="disconnected")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._limits.body:
                        raise RequestError(f"the request is larger than {self._limits.body} bytes", status=413)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise RequestError("the request did not come whole in time", status=408) from None
        self.content = b"".join(parts)

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of the response.

        Cancel safety: as `send` of the server has it; the response cannot be started again.
        """
        self.started = True
        told = {"content-type": content_type, "x-request-id": self.id, **(headers or {})}
        encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def start_stream(self, framing: Framing) -> None:
        """Send the head of a stream.

        Cancel safety: as `start`.
        """
        self.framing = framing
        await self.start(200, framing[2], _UNBUFFERED)

    async def write(self, data: bytes) -> None:
        """Send a part of the body: in one write, unless it is larger than `Limits.write`.

        Waits while the client takes nothing; if it does so for too long, the exchange is cancelled.

        Cancel safety: what was not sent yet is not.
        """
        if len(data) <= self._limits.write:
            await self._write(data)
            return
        for start in range(0, len(data), self._limits.write):
            await self._write(data[start : start + self._limits.write])

    async def end(self, last: bytes = b"") -> None:
        """Send the last part of the body.

        Cancel safety: the response stays unfinished.
        """
        await self._write(last, more=False)

    async def respond(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, content_type: str = _JSON
    ) -> None:
        """Send a whole response.

        Cancel safety: as `start` and `end`.
        """
        await self.start(status, content_type, {"content-length": str(len(body)), **(headers or {})})
        await self.end(b"" if self.method == "HEAD" else body)

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
