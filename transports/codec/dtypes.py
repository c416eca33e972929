"""NumPy's data types as plain values: for the simple ones their usual string, such as ``"<f4"``.

    "<f4"                                         a simple type: byte order, kind, size, and for times their unit
    [element, [3, 2]]                             a subarray
    [[name, ...], [type, ...], [offset, ...], n]  fields, at offsets in an item of n bytes

Nothing from the wire is evaluated, and a type is either the same on both sides or refused.
"""

import re
from functools import lru_cache
from typing import Any, Final

from sage.transports.errors import CodecError

__all__ = ["read_dtype", "write_dtype"]

_SIMPLE: Final = re.compile(r"[<>|](?:[biufcSUV]\d{1,9}|[mM]8(?:\[\d{0,9}(?:[YMWDhms]|[munpfa]s)\])?)")
_DEEPEST: Final = 8


@lru_cache(maxsize=256)
def _write_simple(make: Any, dtype: Any) -> str:
    text: str = dtype.str
    if not dtype.itemsize or not _SIMPLE.fullmatch(text) or make(text) != dtype:
        raise CodecError(f"its dtype {dtype!r} does not travel")
    return text


def write_dtype(make: Any, dtype: Any) -> Any:
    """Describe a data type; `make` is `numpy.dtype`.

    Raises:
        CodecError: it has Python objects or no bytes, or could not be made again from its description.
    """
    if dtype.hasobject:
        raise CodecError(f"its dtype {dtype!r} holds Python objects: send a list")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [write_dtype(make, base), list(shape)]
    if dtype.names is None:
        return _write_simple(make, dtype)
    fields = [dtype.fields[name] for name in dtype.names]
    description = [
        list(dtype.names),
        [write_dtype(make, field[0]) for field in fields],
        [field[1] for field in fields],
        dtype.itemsize,
    ]
    again = _made(make, description, 0)
    if again != dtype or again.type is not dtype.type:
        raise CodecError(f"its dtype {dtype!r} does not travel: it is more than fields, offsets and a size")
    return description


@lru_cache(maxsize=256)
def _read_simple(make: Any, description: str) -> Any:
    if not _SIMPLE.fullmatch(description):
        raise CodecError(f"{description[:40]!r} is no data type that travels")
    dtype = make(description)
    if not dtype.itemsize or dtype.hasobject:
        raise CodecError(f"{description!r} is no data type that travels")
    return dtype


def read_dtype(make: Any, description: object) -> Any:
    """Make a data type of a description from the wire; `make` is `numpy.dtype`.

    Raises:
        CodecError: it describes none. Errors of NumPy itself are passed on.
    """
    return _made(make, description, 0)


def _made(make: Any, description: object, depth: int) -> Any:
    if isinstance(description, str):
        return _read_simple(make, description)
    if not isinstance(description, list) or depth > _DEEPEST:
        raise CodecError("its data type is not written as one")
    if len(description) == 2:
        base, shape = description
        _check_numbers(shape)
        return make((_made(make, base, depth + 1), tuple(shape)))
    names, formats, offsets, itemsize = description
    _check_numbers([*offsets, itemsize])
    dtypes = [_made(make, item, depth + 1) for item in formats]
    dtype = make({"names": names, "formats": dtypes, "offsets": offsets, "itemsize": itemsize})
    if not dtype.itemsize:
        raise CodecError("its data type has no bytes")
    return dtype


def _check_numbers(numbers: object) -> None:
    if not isinstance(numbers, list) or not all(type(number) is int and 0 <= number < 1 << 31 for number in numbers):
        raise CodecError("its data type has sizes that are none")
