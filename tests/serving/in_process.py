"""Asks an ASGI app without a server in between, for answers that end."""

import asyncio
from typing import Any

from sage.serving.presence import Message

__all__ = ["asked", "told"]


async def asked(app: Any, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """The status and the body of the response."""
    status, _, content = await told(app, method, path, body, **headers)
    return status, content


async def told(
    app: Any, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of the response."""
    parts: list[bytes] = []
    status, head = 0, dict[str, str]()
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in requests:
            return message
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        head.update((name.decode(), value.decode("latin-1")) for name, value in message.get("headers", ()))
        parts.append(message.get("body", b""))

    said = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": said}
    await app(scope, receive, send)
    return status, head, b"".join(parts)
