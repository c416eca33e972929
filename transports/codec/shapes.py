"""How the fields of a dataclass, a NamedTuple or an Enum lie in a marked array."""

import dataclasses
import enum
import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from msgpack import ExtType

from sage.transports.errors import CodecError

__all__ = ["Shape", "shape_of", "shape_of_functions"]

# What such a base holds is in no field.
_HOLDERS = (BaseException, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


class Shape(NamedTuple):
    """Both ways of one class.

    Attributes:
        encode: turns a value into an array that begins with the class's mark.
        build: turns the unpacked array back into a value.
    """

    encode: Callable[[Any], list[Any]]
    build: Callable[[list[Any]], Any]


def shape_of(cls: type[Any], head: ExtType) -> Shape | str:
    """The shape of a class that needs no functions of the user, or why it is not such a class."""
    if issubclass(cls, enum.Enum):
        return _of_enum(cls, head)
    if issubclass(cls, tuple) and hasattr(cls, "_make") and hasattr(cls, "_fields"):
        return _of_named_tuple(cls, head)
    if not dataclasses.is_dataclass(cls):
        return "is no dataclass (or not yet: @register_type goes above @dataclass), NamedTuple or Enum"
    if issubclass(cls, _HOLDERS):
        return "is a dataclass, but derives from a type that holds something beside the fields"
    return _foreign_parameters(cls) or _of_dataclass(cls, head)


def shape_of_functions(head: ExtType, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> Shape:
    """The shape ``[mark, encode(value)]``."""

    def build(items: list[Any]) -> Any:
        _, encoded = items
        return decode(encoded)

    return Shape(lambda value: [head, encode(value)], build)


def _of_enum(cls: type[enum.Enum], head: ExtType) -> Shape:
    """``[mark, name]``; flags are sent by their value, since combinations have no name."""

    def build(items: list[Any]) -> Any:
        _, name = items
        return cls[name]

    def build_flag(items: list[Any]) -> Any:
        _, value = items
        return cls(value)

    if issubclass(cls, enum.Flag):
        return Shape(lambda value: [head, value.value], build_flag)
    return Shape(lambda value: [head, value.name], build)


def _of_named_tuple(cls: Any, head: ExtType) -> Shape:
    """``[mark, first, second, ...]``."""

    def build(items: list[Any]) -> Any:
        del items[0]
        return cls._make(items)  # which counts them

    return Shape(lambda value: [head, *value], build)


def _foreign_parameters(cls: Any) -> str | None:
    """Why `__init__` cannot be called with the fields alone, if so."""
    parameters = inspect.signature(cls).parameters.values()
    fields = {field.name for field in dataclasses.fields(cls) if field.init}
    optional = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    taken = {parameter.name for parameter in parameters}
    needed = {p.name for p in parameters if p.default is p.empty and p.kind not in optional}
    if needed - fields:
        return f"has an __init__ that wants {', '.join(sorted(needed - fields))}, which is no field"
    if fields - taken and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        return f"has an __init__ that does not take the field {', '.join(sorted(fields - taken))}"
    return None


def _of_dataclass(cls: Any, head: ExtType) -> Shape:
    """``[mark, {name: value, ...}]``."""
    given = {field.name: field.init for field in dataclasses.fields(cls)}

    def build(items: list[Any]) -> Any:
        _, fields = items
        return cls(**fields)

    def build_and_set(items: list[Any]) -> Any:
        _, fields = items
        if unknown := fields.keys() - given.keys():
            raise CodecError(f"it has no field {', '.join(map(repr, unknown))}")
        value = cls(**{name: content for name, content in fields.items() if given[name]})
        for name, content in fields.items():
            object.__setattr__(value, name, content)  # frozen or not
        return value

    computes = hasattr(cls, "__post_init__") or not all(given.values())
    return Shape(_writer_of_fields(tuple(given), head), build_and_set if computes else build)


def _writer_of_fields(names: tuple[str, ...], head: ExtType) -> Callable[[Any], list[Any]]:
    if len(names) > 1:
        every = attrgetter(*names)
        return lambda value: [head, dict(zip(names, every(value), strict=True))]
    return lambda value: [head, {name: getattr(value, name) for name in names}]
