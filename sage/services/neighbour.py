"""Services as those in other processes know them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sage.services.service import MethodKind

__all__ = ["Neighbour", "known_as", "type_name"]


@dataclass(frozen=True)
class Neighbour:
    """A service of the same program.

    Args:
        name: what it is called.
        place: where it runs.
        type_name: its class, if it was registered by class; see `known_as`.
        methods: what can be called; empty while that is not known, because a factory has not made it yet.
    """

    name: str
    place: str
    type_name: str | None = None
    methods: Mapping[str, MethodKind] = field(default_factory=dict)


def known_as(cls: type) -> str:
    """The name by which a class is found in all processes of a program, also when it is not the same object there.

    One that went there by value has lost the names of the classes and functions that it stands in.
    """
    return f"{cls.__module__}:{cls.__name__}"


def type_name(cls: type) -> str:
    """The name by which a class is found in its module."""
    return f"{cls.__module__}:{cls.__qualname__}"
