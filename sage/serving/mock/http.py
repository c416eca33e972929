"""As much of HTTP as the synthetic server needs, on bare ASGI."""

import json
from collections.abc import Mapping
from typing import Any

from sage.serving.errors import RequestError
from sage.serving.presence import Receive, Send

__all__ = ["Disconnected", "encoded", "read_body", "send_json"]

#: Bodies that are larger are refused before they are read to the end, in bytes.
MAX_BODY = 16 * 1024 * 1024


class Disconnected(Exception):
    """The client went away before its request was there."""


async def read_body(receive: Receive) -> dict[str, Any]:
    """The body of a request, which must be a JSON object.

    Cancel safety: when cancelled, the request cannot be read any more.

    Raises:
        RequestError: it is something else, or too large.
        Disconnected: the client went away.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise RequestError(f"the body has more than {MAX_BODY} bytes", status=413)
        more = message.get("more_body", False)
    try:
        body = json.loads(b"".join(parts))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object")
    return body


async def send_json(send: Send, body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
    """Answer with a JSON document.

    Cancel safety: when cancelled, the answer may have been sent.
    """
    data = json.dumps(body).encode()
    own = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": encoded(own)})
    await send({"type": "http.response.body", "body": data})


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI has them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
