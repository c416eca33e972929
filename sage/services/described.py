"""Errors between programs that do not trust each other: told by name, text and plain values, never pickled.

The caller's side makes an error of a class that it has already, and runs no code of the class to do so: it imports
nothing, and calls no `__init__`. What it does not have arrives as a `ServiceError` that tells the type and the text.
"""

import sys
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType
from typing import Any

from sage.errors import GraphError, ServiceError
from sage.services.neighbour import type_name
from sage.transports import CodecError, rpc
from sage.transports.codec import Codec

__all__ = ["Described", "as_described", "begun_here", "described", "known_errors", "made_again"]


class Described(rpc.StandIn):
    """An error of a class that is not Python's own, as it is sent.

    Args:
        type: its class, as `type_name` tells it.
        text: what it says.
        arguments: what it was made with, if that and its attributes can be carried by the codec; else `None`.
        state: its attributes.
    """

    def __init__(self, type: str, text: str, arguments: list[Any] | None, state: dict[str, Any]) -> None:
        super().__init__(type, text, arguments, state)


rpc.register_error(Described)
_codec = Codec()


def described(error: Exception) -> Exception:
    """What was raised, as it is sent to another program."""
    begun_here(error)
    return error if type(error).__module__ == "builtins" else as_described(error)


def as_described(error: Exception) -> Described:
    """An error of whatever class as plain values; `made_again` is the way back."""
    arguments: list[Any] | None = list(error.args)
    state = {name: value for name, value in vars(error).items() if name != "__notes__"}
    try:
        _codec.encode([arguments, state])
    except CodecError:  # an error without its attributes might break whoever handles it, so it is told as text
        arguments, state = None, {}
    sent = Described(type_name(type(error)), str(error), arguments, state)
    for note in getattr(error, "__notes__", ()):
        sent.add_note(note)
    sent.__cause__ = error
    return sent


def begun_here(error: Exception) -> None:
    """Have what is told of the way of `error` begin where the service's own code does."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_globals.get("__package__") in (__package__, rpc.__package__):
        step = step.tb_next
    error.__traceback__ = step


def known_errors(classes: Iterable[type[Exception]]) -> dict[str, type[Exception]]:
    """Classes by the qualified names that they are told with; in the other program their module may be another one.

    Raises:
        GraphError: one is no class of exceptions, or two have the same name.
    """
    known: dict[str, type[Exception]] = {}
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise GraphError(f"connect(errors=...): {cls!r} is not a class derived from Exception")
        if known.setdefault(cls.__qualname__, cls) is not cls:
            raise GraphError(f"connect(errors=...): there are two classes of the name {cls.__qualname__!r}")
    return known


def made_again(sent: Described, name: str, known: Mapping[str, type[Exception]]) -> Exception:
    """What was received, as it is to be raised at the caller.

    Args:
        sent: from a peer that may be anybody.
        name: the service and the method, for the message.
        known: classes that the program wants, by qualified name; see `known_errors`.
    """
    match sent.args:
        case (str(kind), str(text), list() | None as arguments, dict() as state):
            made = _made(kind, arguments, state, known) or ServiceError(f"{name} raised {_shown(kind)}: {text}")
        case _:
            made = ServiceError(f"{name} raised something, and did not tell what")
    for note in getattr(sent, "__notes__", ()):
        made.add_note(note)
    return made


def _made(
    kind: str, arguments: list[Any] | None, state: dict[Any, Any], known: Mapping[str, type[Exception]]
) -> Exception | None:
    cls = known.get(kind.rpartition(":")[2]) or _imported(kind)
    if cls is None or arguments is None:
        return None
    try:
        error = cls.__new__(cls, *arguments)
    except Exception:  # a class may refuse in any way; what is known of the error is told otherwise
        return None
    for attribute, value in state.items():
        if isinstance(attribute, str) and not attribute.startswith("__"):
            error.__dict__[attribute] = value
    return error


def _imported(kind: str) -> type[Exception] | None:
    """The class of that name, if this program has imported it. Looking it up runs no code, and imports nothing."""
    module, _, path = kind.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    wanted = isinstance(found, type) and issubclass(found, Exception) and type(found.__new__) is BuiltinFunctionType
    return found if wanted else None


def _shown(kind: str) -> str:
    return kind.replace(":", ".")
