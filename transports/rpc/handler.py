"""What a server calls: the seam between sockets and whoever does the work."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sage.transports.rpc.errors import UnknownMethod

__all__ = ["Methods", "RpcCall", "RpcHandler"]


class RpcCall:
    """One call, as its handler sees it.

    Attributes:
        method: what was called.
        deadline: when the answer is of no more use, a time of the loop's clock; `None` for no deadline. The server
            cancels the work then.
        window: 0 when the caller wants one answer; for a stream, how many unread items its caller allows.
        caller: who calls, for logs: the same text for all calls of one connection.
    """

    __slots__ = ("caller", "deadline", "method", "window")

    def __init__(self, method: str, deadline: float | None, window: int, caller: str) -> None:
        self.method = method
        self.deadline = deadline
        self.window = window
        self.caller = caller

    @property
    def streaming(self) -> bool:
        """Whether the caller wants a stream of items."""
        return self.window > 0


class RpcHandler(Protocol):
    """Finds what a call means."""

    def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
        """Begin the work, without waiting.

        Return a coroutine (or anything that can be awaited) for one answer, an async iterator for a stream, or the
        answer itself. A coroutine may also return an async iterator. The server runs it as if in a task of its own for
        each call, cancels it when the caller goes away or the deadline passes, and closes an async generator it leaves.

        This method itself runs in the server's own context: what concerns the call (context variables, say) belongs
        into the coroutine.

        Raises:
            UnknownMethod: there is no such method; the message should list those that are there.
            Overloaded: the call is refused before any work.
        """


class Methods:
    """A handler for plain functions, coroutine functions and async generator functions, by name.

    Plain functions run on the event loop, so they have to be quick.
    """

    def __init__(self, methods: Mapping[str, Callable[..., Any]]) -> None:
        for name, function in methods.items():
            if not callable(function):
                raise TypeError(f"the method {name!r} is {function!r}, which cannot be called")
            if inspect.isgeneratorfunction(function):
                raise TypeError(f"the method {name!r} is a generator function; write it with `async def`")
        self._methods = dict(methods)

    def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
        """See `RpcHandler.call`."""
        function = self._methods.get(method)
        if function is None:
            there = ", ".join(sorted(self._methods)) or "none"
            raise UnknownMethod(f"there is no such method; there are: {there}", method=method)
        return function(*args, **kwargs)
