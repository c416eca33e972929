"""Requests over a WebSocket: each message is one, and they are answered in turn."""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sage.operators.numbers import seconds
from sage.serving.bodies import parse_json
from sage.serving.errors import RequestError, error_body, problem_of
from sage.serving.exchange import Limits, headers_of, path_of, request_id_of
from sage.serving.front import Front, encode
from sage.serving.meters import RequestMeter
from sage.serving.presence import Message, Presence, Receive, Scope, Send
from sage.serving.records import Records
from sage.serving.stall import Stall

__all__ = ["WebSockets"]

#: So many requests of one socket may wait for those before them.
_MOST_WAITING = 16
_REFUSED, _TOO_LARGE, _TOO_MANY = 1008, 1009, 1013


class WebSockets:
    """Answers WebSockets.

    Args:
        front: the job, and who may come in.
        records: how the job is asked.
    """

    def __init__(self, front: Front, records: Records) -> None:
        self._front = front
        self._records = records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        await receive()
        headers = headers_of(scope)
        try:
            self._check_origin(headers)
            key = await self._front.desk.identify(headers)
            endpoint = self._records.endpoint(path_of(scope).removeprefix("/ws/"))
        except RequestError as problem:
            await send({"type": "websocket.close", "code": _REFUSED, "reason": str(problem)[:100]})
            return
        await send({"type": "websocket.accept"})
        socket = _Socket(receive, send, self._front.limits)
        try:
            async with socket.presence:
                while True:
                    data = await socket.next()
                    with self._front.host.request():
                        await self._answer(socket, endpoint, key, headers, data)
        finally:
            socket.close()

    async def _answer(self, socket: "_Socket", endpoint: str, key: Any, headers: dict[str, str], data: bytes) -> None:
        request_id = request_id_of({})
        meter = self._front.meters.request(f"/ws/{endpoint}", endpoint)
        try:
            await self._records_of(socket, endpoint, key, headers, data, request_id, meter)
        except asyncio.CancelledError:
            if socket.presence.lost is not None:
                meter.left()
            raise
        except Exception as error:
            self._front.meters.refusal(error)
            problem = problem_of(error, request_id)
            meter.ended(problem.status)
            await socket.send(error_body(problem))
        else:
            meter.ended(200)
            await socket.send({"end": True})

    async def _records_of(
        self,
        socket: "_Socket",
        endpoint: str,
        key: Any,
        headers: dict[str, str],
        data: bytes,
        request_id: str,
        meter: RequestMeter,
    ) -> None:
        desk = self._front.desk
        terms = desk.terms(headers)
        value = parse_json(data, "application/json")
        async with desk.let_in(key, terms, 0):
            answer = self._records.ask(endpoint, value, key, terms, request_id)
            try:
                await answer.admitted()
                meter.admitted()
                async for record in answer:
                    meter.arrived(1)
                    meter.stage = "sending"
                    await socket.send({"record": record})
                    meter.stage = "mid_stream"
            finally:
                await answer.aclose()

    def _check_origin(self, headers: dict[str, str]) -> None:
        # Browsers let any page try, and send along what the user is logged in with.
        origin = headers.get("origin")
        if origin is None or origin in self._front.origins or urlsplit(origin).netloc == headers.get("host"):
            return
        raise RequestError(f"pages of {origin!r} may not connect; allow them with origins=", status=403)


class _Socket:
    """One connection. Its messages are read all the time, so that it is seen when the client leaves."""

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self.presence = Presence(self._receive_request)
        self._receive = receive
        self._send = send
        self._largest = limits.body
        self._stall = Stall(seconds(limits.stall), partial(self.presence.lose, "stalled"))
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()

    async def next(self) -> bytes:
        """The next request.

        Cancel safety: none is lost.
        """
        return await self._waiting.get()

    async def send(self, value: Any) -> None:
        """Send one message; a client that takes none for too long is given up.

        Cancel safety: the message is sent, or it is not.
        """
        text = encode(value).decode()
        self._stall.begin()
        try:
            await self._send({"type": "websocket.send", "text": text})
        finally:
            self._stall.done()

    def close(self) -> None:
        """Let go of what watched the client; to be called when all is done."""
        self._stall.close()

    async def _receive_request(self) -> Message:
        """What the presence looks at: it takes a client that went away, or misbehaves, for gone."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return {"type": "http.disconnect"}
        if self._waiting.qsize() >= _MOST_WAITING:
            return await self._refuse(_TOO_MANY, "too many requests wait")
        data = message.get("bytes") or (message.get("text") or "").encode("utf-8", "surrogatepass")
        if len(data) > self._largest:
            return await self._refuse(_TOO_LARGE, f"the request is larger than {self._largest} bytes")
        self._waiting.put_nowait(data)
        return message

    async def _refuse(self, code: int, reason: str) -> Message:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "http.disconnect"}
