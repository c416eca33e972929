"""Which classes travel, beside the types that always do.

A registered class has a name on the wire, the same in every process that speaks of it. Both sides register it, as a
rule by importing the module that does::

    @register_type
    @dataclass(frozen=True)
    class Point:
        x: int
        y: float

    register_type(Fraction, encode=lambda f: (f.numerator, f.denominator), decode=lambda pair: Fraction(*pair))
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sage.transports.codec.arrays import numpy_writer
from sage.transports.codec.extensions import CARRIED
from sage.transports.codec.marks import NAMED, Mark, extension
from sage.transports.codec.shapes import Shape, shape_of, shape_of_functions
from sage.transports.errors import CodecError

__all__ = ["DEFAULT_TYPES", "InvalidType", "Types", "register_type"]

T = TypeVar("T")

_LONGEST_NAME = 255


class InvalidType(CodecError, ValueError):
    """A class cannot be registered like that; the message names it and says what to do instead."""


class Registered(NamedTuple):
    """What a registry knows of one class."""

    cls: type[Any]
    name: bytes
    mark: Mark
    encode: Callable[[Any], list[Any]]


class Types:
    """A registry of classes that travel by name. There is one for the whole process; a codec may be given its own.

    Exactly these classes: a subclass is a class of its own, lest it arrives as its base.
    """

    __slots__ = ("_classes", "_names")

    def __init__(self) -> None:
        self._classes: dict[type[Any], Registered] = {}
        self._names: dict[bytes, Registered] = {}

    def register(
        self,
        cls: type[T],
        *,
        name: str | None = None,
        encode: Callable[[T], Any] | None = None,
        decode: Callable[[Any], T] | None = None,
    ) -> type[T]:
        """Let values of exactly the class `cls` travel; return it, so that this can be a decorator.

        Args:
            cls: dataclasses, NamedTuples and Enums need nothing else. A dataclass is sent by the names of its fields
                and made by its `__init__`; then fields get exactly what was sent, whatever `__post_init__` did.
            name: what it is called on the wire, the same on both sides; ``module:qualified.name`` when not given.
            encode: turns a value into something that travels (which may hold other registered types).
            decode: turns that back into the value. What it is given comes from the wire: it should check.

        Registering a class again, or one that replaces it (the module was loaded anew), forgets the earlier one.

        Raises:
            InvalidType: the name belongs to another class; the class needs `encode` and `decode`, or travels already.
        """
        if not isinstance(cls, type):
            raise InvalidType(f"register_type takes a class, not {cls!r}")
        told = name or _usual_name(cls)
        wire_name = told.encode(errors="surrogatepass")
        if len(wire_name) > _LONGEST_NAME:
            raise InvalidType(f"the name of {cls!r} has {len(wire_name)} bytes; give one of at most {_LONGEST_NAME}")
        self._refuse_what_is_taken(cls, told, wire_name)
        head = extension(NAMED, wire_name)
        shape = _chosen_shape(cls, head, encode, decode)
        self._forget(self._classes.get(cls))
        self._forget(self._names.get(wire_name))
        entry = Registered(cls, wire_name, Mark(f"a value of type {told!r}", head, shape.build), shape.encode)
        self._names[wire_name] = self._classes[cls] = entry
        return cls

    def of_class(self, cls: type[Any]) -> Registered | None:
        """What is known of exactly this class."""
        return self._classes.get(cls)

    def of_name(self, name: bytes) -> Registered | None:
        """What is known under this name on the wire."""
        return self._names.get(name)

    def _refuse_what_is_taken(self, cls: type[Any], name: str, wire_name: bytes) -> None:
        if cls in CARRIED or numpy_writer(cls) is not None:
            raise InvalidType(f"{cls.__qualname__} travels already and cannot be registered")
        other = self._names.get(wire_name)
        if other is not None and other.cls is not cls and _path(other.cls) != _path(cls):
            raise InvalidType(
                f"two classes cannot both be called {name!r}: {_path(other.cls)} is, so give {_path(cls)} another name="
            )

    def _forget(self, entry: Registered | None) -> None:
        if entry is not None:
            self._classes.pop(entry.cls, None)
            self._names.pop(entry.name, None)


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _usual_name(cls: type[Any]) -> str:
    # A process that multiprocessing spawned has the main module of its parent under this name.
    module = "__main__" if cls.__module__ == "__mp_main__" else cls.__module__
    return f"{module}:{cls.__qualname__}"


def _chosen_shape(
    cls: type[Any], head: Any, encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None
) -> Shape:
    if encode is not None and decode is not None:
        return shape_of_functions(head, encode, decode)
    if encode is not None or decode is not None:
        raise InvalidType(f"{_path(cls)}: give both encode= and decode=, or neither")
    shape = shape_of(cls, head)
    if isinstance(shape, Shape):
        return shape
    raise InvalidType(f"{_path(cls)} {shape}: give encode= and decode=")


#: What every codec uses that was not given a registry of its own.
DEFAULT_TYPES = Types()


def register_type(
    cls: type[T],
    *,
    name: str | None = None,
    encode: Callable[[T], Any] | None = None,
    decode: Callable[[Any], T] | None = None,
) -> type[T]:
    """Let values of exactly the class `cls` travel in this process: `Types.register` of the registry of the process.

    Raises:
        InvalidType: see `Types.register`.
    """
    return DEFAULT_TYPES.register(cls, name=name, encode=encode, decode=decode)
