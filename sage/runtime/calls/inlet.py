"""The way of requests into one endpoint of a job."""

from collections import deque
from collections.abc import Callable
from typing import Any

from sage.operators.endpoint import Endpoint, Request

__all__ = ["JobInlet"]


class JobInlet:
    """Implements `Inlet`: gives requests to the endpoint's source, and keeps those that come before it is there.

    Args:
        endpoint: the description.

    Attributes:
        closed: whether its source has ended: it takes no more.
    """

    def __init__(self, endpoint: Endpoint[Any]) -> None:
        self.endpoint = endpoint
        self.closed = False
        self._early: deque[Request] = deque()
        self._put: Callable[[Request], Any] | None = None

    def connect(self, put: Callable[[Request], Any]) -> None:
        """See `Inlet.connect`."""
        self._put = put
        while self._early:
            put(self._early.popleft())

    def disconnect(self) -> None:
        """See `Inlet.disconnect`."""
        self._put = None
        self.closed = True

    def put(self, request: Request) -> None:
        """Send a request in; it was admitted."""
        if self._put is None:
            self._early.append(request)
        else:
            self._put(request)
