"""How errors pass between a program and its services in other processes; see `described` for other programs."""

from collections.abc import Mapping
from typing import Any

import cloudpickle

from sage.errors import (
    DeadlineExceeded,
    Overloaded,
    ServiceError,
    ServiceUnavailable,
    UnknownMethod,
)
from sage.services.described import Described, begun_here, made_again
from sage.services.remaking import pickled
from sage.transports import rpc

__all__ = ["Raised", "opened", "wrapped"]


class Raised(rpc.StandIn):
    """An error as bytes.

    Args:
        pickled: the error.
        text: what it says, for whoever cannot read that.
    """

    def __init__(self, pickled: bytes, text: str) -> None:
        super().__init__(pickled, text)
        self.pickled = pickled
        self.text = text

    def __str__(self) -> str:
        return self.text


rpc.register_error(Raised)


def wrapped(error: Exception) -> Exception:
    """What a service raised, as it is sent: whole, if it does not hold something that belongs to its process."""
    begun_here(error)
    try:
        sent = Raised(pickled(error), f"{type(error).__name__}: {error}")
    except Exception:  # its type and text are told, then
        return error
    sent.__cause__ = error
    return sent


def opened(
    error: Exception, name: str, *, trusted: bool = False, known: Mapping[str, type[Exception]] | None = None
) -> Exception:
    """What was received, as it is to be raised at the caller.

    Args:
        error: what the RPC layer raised.
        name: the service, and the method, for the message.
        trusted: whether the other side belongs to this program: only then is anything unpickled.
        known: classes of errors that the program wants from others, by qualified name.
    """
    if isinstance(error, Raised):
        return _unpickled(error, name) if trusted else ServiceError(f"{name} raised an error that may not be read")
    if isinstance(error, Described):
        return made_again(error, name, known or {})
    if isinstance(error, rpc.RpcError):
        for kind, ours in _OURS:
            if isinstance(error, kind):
                return _with_notes(ours(f"{name}{_told(error)}"), error)
    return error


_OURS: tuple[tuple[type[rpc.RpcError], type[ServiceError]], ...] = (
    (rpc.DeadlineExceeded, DeadlineExceeded),
    (rpc.Overloaded, Overloaded),
    (rpc.UnknownMethod, UnknownMethod),
    (rpc.WrongCall, UnknownMethod),
    (rpc.ConnectionLost, ServiceUnavailable),
    (rpc.ServerUnreachable, ServiceUnavailable),
    (rpc.ClosedRpc, ServiceUnavailable),
    (rpc.RemoteError, ServiceError),
)


def _unpickled(error: Raised, name: str) -> Exception:
    try:
        made: Any = cloudpickle.loads(error.pickled)
    except Exception as failed:
        told = ServiceError(f"{name} raised {error.text} (which cannot be made again here: {failed})")
        return _with_notes(told, error)
    if not isinstance(made, Exception):
        return _with_notes(ServiceError(f"{name} raised {error.text}"), error)
    return _with_notes(made, error)  # of where it was raised; its own came with it


def _told(error: rpc.RpcError) -> str:
    if isinstance(error, rpc.RemoteError):
        return f" raised {error.type.rpartition(':')[2]}: {error.message}"
    if isinstance(error, rpc.DeadlineExceeded):
        return ": no answer by the deadline"
    if isinstance(error, rpc.WrongCall):  # what it says to do instead is for users of the RPC layer
        return f": {error.reason.partition(':')[0]}"
    return f": {error.reason}"


def _with_notes(made: Exception, error: Exception) -> Exception:
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made
