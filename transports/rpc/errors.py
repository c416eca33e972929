"""What can go wrong with a remote call.

::

    TransportError
    ├── RpcError                  carries the method and the address of its server
    │   ├── RemoteError           the method raised an error of a type that is not known on this side
    │   ├── UnknownMethod         the server has no such method
    │   ├── WrongCall             `call` for a method that streams, or `stream` for one that gives one answer
    │   ├── Overloaded            the server has as many calls waiting as it lets wait
    │   ├── DeadlineExceeded      (a TimeoutError) no answer came in time; the work is cancelled
    │   ├── ConnectionLost        (a ConnectionError) the server went away: whether the call was done is not known
    │   ├── ClosedRpc             you closed this client, or never entered it
    │   └── ServerUnreachable     (a ConnectError) nobody answered there in time; the call was not sent
    │       └── ServerRefused     whoever answered wants keys that were not shown, or speaks another version
    └── MalformedMessage          bytes that are no message of this protocol; seen by nobody but the peer that sent them

What a method raises comes back as its own type when that is a well-known builtin or was made known by `register_error`,
and as a `RemoteError` otherwise; either way a note tells where it came from.
"""

from functools import partial
from typing import Any

from sage.transports.errors import ConnectError, TransportError

__all__ = [
    "ClosedRpc",
    "ConnectionLost",
    "DeadlineExceeded",
    "MalformedMessage",
    "Overloaded",
    "RemoteError",
    "RpcError",
    "ServerRefused",
    "ServerUnreachable",
    "UnknownMethod",
    "WrongCall",
]


class MalformedMessage(TransportError):
    """Bytes that are no message of this protocol."""


class RpcError(TransportError):
    """Something about one call, or about the connection to a server when `method` is empty.

    Attributes:
        reason: what happened, without the names.
        method: the method that was called.
        address: where its server is, or was.
        begun: whether the method may have begun; where it is false, the call can be made again without harm.
    """

    begun = True

    def __init__(self, reason: str, *, method: str = "", address: str = "") -> None:
        who = " at ".join(filter(None, (repr(method) if method else "", address)))
        # Not `super()`: whoever is a ConnectError as well has no channel to name.
        TransportError.__init__(self, f"{who}: {reason}" if who else reason)
        self.reason = reason
        self.method = method
        self.address = address

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes. By default an exception is made again from its text alone, without the keywords.
        return partial(type(self), method=self.method, address=self.address), (self.reason,), self.__dict__


class RemoteError(RpcError):
    """The method raised an error whose type is not known here: `register_error` makes it known.

    Attributes:
        type: the type's name, ``module:qualified.name``, or the plain name of a builtin.
        message: the error's text.
        traceback: where it was raised, as text.
    """

    def __init__(
        self, message: str, *, type: str = "", traceback: str = "", method: str = "", address: str = ""
    ) -> None:
        super().__init__(f"{type}: {message}" if message else type, method=method, address=address)
        self.type = type
        self.message = message
        self.traceback = traceback

    def __reduce__(self) -> tuple[Any, ...]:
        named = {name: getattr(self, name) for name in ("type", "traceback", "method", "address")}
        return partial(RemoteError, **named), (self.message,), self.__dict__


class UnknownMethod(RpcError):
    """The server has no such method; the message lists what it has."""


class WrongCall(RpcError):
    """A method that streams its answer was called, or one that gives a single answer was streamed."""


class Overloaded(RpcError):
    """The server refused the call before any work: as many as `max_queue` allows are waiting already."""


class DeadlineExceeded(RpcError, TimeoutError):
    """No answer came in time. What was under way for the call is cancelled."""


class ConnectionLost(RpcError, ConnectionError):
    """The server went away with the call under way: whether it was done is not known. It is not sent again."""


class ClosedRpc(RpcError):
    """This client was closed by its own holder, or never entered by `async with`."""


class ServerUnreachable(RpcError, ConnectError):
    """Nobody answered at the server's address in time. The call was not sent."""

    begun = False

    def __init__(self, reason: str, *, method: str = "", address: str = "") -> None:
        super().__init__(reason, method=method, address=address)
        self.channel = method


class ServerRefused(ServerUnreachable):
    """Whoever answered wants keys that were not shown, or others, or speaks another version of the protocol."""
