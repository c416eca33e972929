"""How an error crosses from the method that raised it to the caller who gets it."""

import builtins
import traceback
from typing import Any, TypeVar

from sage.transports.codec import Codec
from sage.transports.errors import CodecError
from sage.transports.rpc.errors import (
    ConnectionLost,
    DeadlineExceeded,
    MalformedMessage,
    Overloaded,
    RemoteError,
    RpcError,
    ServerUnreachable,
    UnknownMethod,
    WrongCall,
)

__all__ = ["ERROR_KINDS", "RAISED", "StandIn", "kind_of_refusal", "read_failure", "register_error", "write_failure"]

E = TypeVar("E", bound=type[Exception])

#: What the number of an ERROR record tells: 0, the method raised it; others, the server itself refused or gave up.
RAISED = 0
ERROR_KINDS: dict[int, type[RpcError]] = {
    1: UnknownMethod,
    2: WrongCall,
    3: Overloaded,
    4: DeadlineExceeded,
    5: ConnectionLost,
    6: ServerUnreachable,
}
_KINDS = {cls: number for number, cls in ERROR_KINDS.items()}

# The builtins that a method may well raise for its caller. Not among them: what steers the interpreter or a
# loop, such as StopIteration or KeyboardInterrupt, and warnings.
_ROOTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_WELL_KNOWN: dict[str, type[Exception]] = {
    cls.__name__: cls for cls in vars(builtins).values() if isinstance(cls, type) and issubclass(cls, _ROOTS)
}
# Those that callers are known to catch: the codec's own, to begin with.
_registered: dict[str, type[Exception]] = {f"{CodecError.__module__}:{CodecError.__qualname__}": CodecError}


class StandIn(Exception):
    """An error that is sent in place of another one, its `__cause__`: what is told is where that one was raised."""


# Longer texts are cut: an error is to be read, and it must not be what breaks a connection.
_LONGEST = 16_384


def register_error(cls: E) -> E:
    """Let callers in this process get errors of exactly this class as themselves; return it, so it can be a decorator.

    It is found by its module and qualified name, so the server needs no registration. It is made again from its
    arguments and attributes, without `__init__`, and only if both can be carried by the codec.
    """
    _registered[_type_name(cls)] = cls
    return cls


def kind_of_refusal(error: BaseException) -> int:
    """The number that tells of an error which the server itself, or its handler before any work, has raised."""
    return _KINDS.get(type(error), RAISED)  # type: ignore[arg-type]


def write_failure(error: BaseException, codec: Codec) -> list[Any]:
    """The value of an ERROR record. Whatever of the error cannot be carried is left out."""
    message = error.reason if isinstance(error, RpcError) else _text_of(error)
    notes = [_clean(str(note)[:_LONGEST]) for note in getattr(error, "__notes__", ())]
    origin = error.__cause__ or error if isinstance(error, StandIn) else error
    told = [_type_name(type(error)), _clean(message[:_LONGEST]), _clean(_trace(origin)[-_LONGEST:]), notes]
    state = {name: value for name, value in vars(error).items() if name != "__notes__"}
    whole = [*told, _arguments(error), state]
    try:
        codec.encode(whole)
    except CodecError:
        return [*told, None, None]
    return whole


def read_failure(number: int, told: Any, *, method: str, address: str) -> Exception:
    """The error to raise at the caller, with a note of where it came from.

    Raises:
        MalformedMessage: the value is not one of an ERROR record.
    """
    match told:
        case [str(name), str(message), str(trace), list(notes), list() | None as args, dict() | None as state]:
            pass
        case _:
            raise MalformedMessage("an ERROR record does not tell of an error")
    if number in ERROR_KINDS:
        return ERROR_KINDS[number](message, method=method, address=address)
    error = _rebuilt(name, message, args, state)
    if error is None:
        error = RemoteError(message, type=name, traceback=trace, method=method, address=address)
    for note in notes:
        error.add_note(str(note))
    if trace:
        error.add_note(f"raised by {method!r} at {address}:\n{trace.rstrip()}")
    return error


def _rebuilt(name: str, message: str, args: list[Any] | None, state: dict[str, Any] | None) -> Exception | None:
    """The error as its own type, if that is known here and can be made."""
    try:
        if name in _registered and args is not None:
            cls = _registered[name]
            error = cls.__new__(cls, *args)
            error.__dict__.update(state or {})
            return error
        if name in _WELL_KNOWN:
            return _WELL_KNOWN[name](*([message] if args is None else args))
    except Exception:  # a class of the user's may refuse in any way; what is known of it is told otherwise
        return None
    return None


def _type_name(cls: type[BaseException]) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}:{cls.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failed:  # a `__str__` of the user's may do anything
        return f"<its text cannot be told: {type(failed).__name__}>"


def _clean(text: str) -> str:
    """Text that can be carried: lone surrogates are no UTF-8."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _arguments(error: BaseException) -> list[Any]:
    """What it is to be made with; an OSError keeps the names of its files elsewhere than in `args`."""
    return list(error.__reduce__()[1] if isinstance(error, OSError) else error.args)


def _trace(error: BaseException) -> str:
    """Where it was raised; empty when that was elsewhere and is told by its notes, and here it only passed through."""
    # The first frames are this package's, where the method was begun or awaited.
    begin = error.__traceback__
    while begin is not None and begin.tb_frame.f_globals.get("__package__") == __package__:
        begin = begin.tb_next
    notes = getattr(error, "__notes__", None)
    if begin is None and notes:
        return ""
    told = traceback.TracebackException(type(error), error, begin)
    told.__notes__ = None  # they travel by themselves
    return "".join(told.format())
