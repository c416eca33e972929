"""Values of every type that travels, and what it means that one has arrived as it was sent."""

import array
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy
from hypothesis import strategies as st

from sage.transports.codec import Codec, Types

__all__ = ["TYPES", "Color", "Pair", "Point", "Span", "arrived", "hashables", "same", "values"]

TYPES = Types()


@TYPES.register
@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@TYPES.register
@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    start: Any
    length: Any


@TYPES.register
class Pair(NamedTuple):
    left: Any
    right: Any


@TYPES.register
class Color(enum.Enum):
    RED = 1
    GREEN = (2, "two")


class Wrapped:
    """Known by what it holds."""

    def __init__(self, content: Any) -> None:
        self.content = content


TYPES.register(
    Wrapped, name="wrapped", encode=lambda wrapped: {"content": wrapped.content}, decode=lambda d: Wrapped(**d)
)


def arrived(value: Any, codec: Codec | None = None) -> Any:
    """`value`, as the other side of a codec gets it."""
    codec = codec or Codec(types=TYPES)
    encoded = codec.encode(value)
    return codec.decode(encoded.body, encoded.buffers)


# --- sameness ---------------------------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types throughout; NaN is the same as NaN."""
    if type(one) is not type(other):
        return False
    return _SAME.get(type(one), _equal)(one, other)


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def _same_float(one: float, other: float) -> bool:
    return (one == other and math.copysign(1, one) == math.copysign(1, other)) or (one != one and other != other)


def _same_elements(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(map(same, one, other))


def _same_time(one: Any, other: Any) -> bool:
    zones = type(one.tzinfo) is type(other.tzinfo) and str(one.tzinfo) == str(other.tzinfo)
    return zones and one.fold == other.fold and one.replace(tzinfo=None) == other.replace(tzinfo=None)


def _same_array(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


_SAME: dict[type, Callable[[Any, Any], bool]] = {
    float: _same_float,
    complex: lambda one, other: _same_float(one.real, other.real) and _same_float(one.imag, other.imag),
    decimal.Decimal: lambda one, other: one.as_tuple() == other.as_tuple(),
    list: _same_elements,
    tuple: _same_elements,
    Pair: _same_elements,
    dict: lambda one, other: _same_elements(list(one.items()), list(other.items())),
    set: lambda one, other: one == other and {*map(type, one)} == {*map(type, other)},
    frozenset: lambda one, other: one == other and {*map(type, one)} == {*map(type, other)},
    datetime.datetime: _same_time,
    datetime.time: _same_time,
    datetime.timezone: lambda one, other: one == other and str(one) == str(other),
    Point: lambda one, other: same([one.x, one.y], [other.x, other.y]),
    Span: lambda one, other: same([one.start, one.length], [other.start, other.length]),
    Wrapped: lambda one, other: same(one.content, other.content),
    numpy.ndarray: _same_array,
    numpy.float64: lambda one, other: one.tobytes() == other.tobytes(),
}

# --- strategies -------------------------------------------------------------------------------------------------------

_ZONES = st.none() | st.sampled_from(
    [
        datetime.UTC,
        datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)),
        datetime.timezone(datetime.timedelta(hours=2, microseconds=7), "odd"),
    ]
)

_HASHABLE_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.times(timezones=_ZONES),
    st.datetimes(timezones=_ZONES | st.timezones()),
    st.timedeltas(),
    _ZONES,
    st.builds(range, st.integers(-5, 5), st.integers(-5, 2**70), st.integers(1, 5)),
    st.builds(pathlib.PurePosixPath, st.text(alphabet="ab/.é", max_size=9)),
    st.sampled_from(Color),
)

hashables = st.recursive(
    _HASHABLE_SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(Span, start=inner, length=inner),
    ),
    max_leaves=6,
)

_ARRAYS = st.builds(
    lambda dtype, shape, order: numpy.arange(math.prod(shape)).astype(dtype).reshape(shape, order=order),
    st.sampled_from(["<f4", ">i2", "|b1", "<M8[ms]", "<c16", "|S3", "<U2"]),
    st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from(["C", "F"]),
)
# Large enough to travel beside the body.
_LARGE_ARRAYS = st.builds(
    lambda length, dtype: numpy.arange(length, dtype=dtype), st.integers(8_000, 9_000), st.just("<i4")
)

_SCALARS = st.one_of(
    hashables,
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.builds(slice, st.none() | st.integers(), st.integers()),
    st.lists(st.integers(-128, 127), max_size=5).map(lambda numbers: array.array("b", numbers)),
    _ARRAYS,
    _LARGE_ARRAYS,
    st.floats().map(numpy.float64),
)

#: Anything that travels.
values = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashables, inner, max_size=4),
        st.sets(hashables, max_size=4),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Wrapped, inner),
    ),
    max_leaves=12,
)
