"""Requests to the servers of models over HTTP, and what their failures mean."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sage.extras import needed
from sage.middleware.errors import (
    AnswerBroken,
    ModelBusy,
    ModelError,
    ModelFailed,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from sage.middleware.model_server import ModelServer

if TYPE_CHECKING:
    import httpx2

__all__ = ["Connection", "told_error"]

# Of a body that tells of an error, no more than this is read.
_LONGEST_ERROR = 64 * 1024
# 408 Request Timeout, 409 Conflict, 425 Too Early: nothing is wrong with the request.
_PASSING = frozenset({408, 409, 425})
_BUSY = frozenset({429, 503})


class Connection:
    """The connections to some servers, kept open between requests. Open it, and close it.

    Args:
        servers: to whom they go.
        connect: seconds that opening a connection may take.
    """

    def __init__(self, servers: Iterable[ModelServer], connect: float) -> None:
        self._encrypted = any(server.url.startswith("https:") for server in servers)
        self._connect = connect
        self._client: httpx2.AsyncClient | None = None

    def open(self) -> None:
        """Get ready; nothing is sent yet.

        Raises:
            NotAvailable: httpx2 is not installed.
        """
        httpx2 = needed("httpx2", extra="llm", purpose="asking a model")
        # Timeouts are kept by whoever asks: they are about tokens, not about bytes. How many requests there are at a
        # time is for the pipeline to say. Without https there are no certificates to load, which takes a while.
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(None, connect=self._connect),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
            verify=self._encrypted,
        )

    async def aclose(self) -> None:
        """Close all connections.

        Cancel safety: when cancelled, some may be left to the garbage collector.
        """
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    @asynccontextmanager
    async def post(self, server: ModelServer, path: str, body: Mapping[str, Any]) -> "AsyncIterator[httpx2.Response]":
        """Ask, and have the response while the block runs; its body is read in the block.

        Cancel safety: leaving the block, also by cancellation, closes the connection unless all was read.

        Raises:
            ModelError: as its kind says; also for failures inside of the block.
        """
        if self._client is None:
            raise ModelUnreachable(
                "it is asked before the service was started, or after it was stopped", server=str(server)
            )
        with _translated(server):
            address, headers = server.address(path), server.headers
            async with self._client.stream("POST", address, json=dict(body), headers=headers) as response:
                if response.status_code != 200:
                    raise await _refusal(server, response)
                yield response

    async def post_json(self, server: ModelServer, path: str, body: Mapping[str, Any], time_limit: float) -> Any:
        """Ask, and return the whole body as a JSON value.

        Cancel safety: the connection is closed.

        Raises:
            ModelError: as its kind says.
        """
        clock = asyncio.timeout(time_limit)
        try:
            async with clock, self.post(server, path, body) as response:
                content = await response.aread()
        except TimeoutError:
            if not clock.expired():
                raise
            raise ModelTimeout(f"it did not answer within time_limit={time_limit:g} s", server=str(server)) from None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise AnswerBroken(f"the answer is no JSON: {error}", server=str(server)) from None


@contextmanager
def _translated(server: ModelServer) -> Iterator[None]:
    """Errors of the HTTP client become ours."""
    import httpx2

    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise ModelUnreachable("nobody answered in time", server=str(server)) from error
    except (httpx2.ConnectError, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        raise ModelUnreachable(f"it cannot be reached: {error}", server=str(server)) from error
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        what = str(error) or type(error).__name__
        raise AnswerBroken(f"the connection broke: {what}", server=str(server)) from error


async def _refusal(server: ModelServer, response: "httpx2.Response") -> ModelError:
    content = b""
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > _LONGEST_ERROR:
            break
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = content.decode(errors="replace").strip()
    return told_error(server, body, status=response.status_code, retry_after=_retry_after(response.headers))


def told_error(
    server: ModelServer, body: Any, *, status: int | None = None, retry_after: float | None = None
) -> ModelError:
    """The error that a server told of: in the body of a response, or in the middle of a stream.

    Args:
        server: who told.
        body: ``{"error": {"message": ..., "code": ...}}``, or whatever came instead.
        status: of the response; `None` for an error in the middle of a stream.
        retry_after: in how many seconds to come back.
    """
    told = body.get("error", body) if isinstance(body, dict) else body
    message = told.get("message", told) if isinstance(told, dict) else told
    code = told.get("code") if isinstance(told, dict) else None
    text = f"{status}: {message}" if status is not None else f"it told of an error: {message}"
    return _kind(status)(
        text, server=str(server), status=status, code=None if code is None else str(code), retry_after=retry_after
    )


def _kind(status: int | None) -> type[ModelError]:
    if status is None or status >= 500 or status in _PASSING:
        return ModelBusy if status in _BUSY else ModelFailed
    return ModelBusy if status in _BUSY else ModelRefused


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``retry-after-ms`` or ``retry-after``; the latter may be a date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, (parsedate_to_datetime(headers["retry-after"]) - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
