"""Which subtask a key belongs to: the same in every process and after every restart.

Python's own `hash` is salted for text, so it will not do. A key is hashed by what it *equals*: ``1``, ``1.0`` and
``True`` are one key in a dict, so they are one key here. Hashes fall into key groups, and subtasks own ranges of
groups: state moves group by group when the parallelism changes.
"""

import datetime
import enum
import numbers
import uuid
import zlib
from collections.abc import Callable
from typing import Any

from sage.errors import GraphError

__all__ = ["KEY_GROUPS", "key_group", "subtask_of_group"]

#: How many key groups there are: the most subtasks that a keyed operator can have.
KEY_GROUPS = 4096


def key_group(key: Any) -> int:
    """The key group of a key, from 0 to ``KEY_GROUPS - 1``.

    Raises:
        GraphError: the key is of a type for which no stable hash is known.
    """
    return zlib.crc32(_encode(key)) % KEY_GROUPS


def subtask_of_group(group: int, parallelism: int) -> int:
    """Which of `parallelism` subtasks owns a key group. Each owns a range of nearly equal length."""
    return group * parallelism // KEY_GROUPS


def _encode(key: Any) -> bytes:
    """Bytes that are equal for equal keys. Each kind has a prefix, so that ``"1"`` and ``1`` differ."""
    if isinstance(key, str):  # a text enum, too: it equals its text
        return b"s" + key.encode("utf-8", "surrogatepass")
    if key is None:
        return b"0"
    if isinstance(key, numbers.Number):
        return b"n" + _encode_number(key)
    for kind, encode in _ENCODERS:
        if isinstance(key, kind):
            return encode(key)
    raise GraphError(
        f"key_by: a key of type {type(key).__name__} has no hash that is stable between processes; "
        f"return text, a number, bytes, None, a date, a UUID, an enum member, or a tuple of these"
    )


def _encode_number(key: Any) -> bytes:
    # Python guarantees one hash for equal numbers of any type, and salts none of them; not a number is equal to
    # nothing.
    if key != key:
        return b"nan"
    return b"%d" % hash(key)


def _encode_all(prefix: bytes, parts: list[bytes]) -> bytes:
    return prefix + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _encode_datetime(key: datetime.datetime) -> bytes:
    if key.utcoffset() is None:
        return b"d" + key.replace(tzinfo=None).isoformat().encode()
    return b"D" + key.astimezone(datetime.UTC).isoformat().encode()


def _encode_time(key: datetime.time) -> bytes:
    offset = key.utcoffset()
    if offset is None:
        return b"h" + key.replace(tzinfo=None).isoformat().encode()
    # Times of day that know their zone are equal if they are as far from midnight in UTC.
    since_midnight = datetime.timedelta(0, key.second, key.microsecond, 0, key.minute, key.hour)
    return b"H%d" % ((since_midnight - offset) // datetime.timedelta(microseconds=1))


_ENCODERS: list[tuple[type | tuple[type, ...], Callable[[Any], bytes]]] = [
    (bytes, lambda key: b"b" + key),
    (tuple, lambda key: _encode_all(b"t", [_encode(part) for part in key])),
    (frozenset, lambda key: _encode_all(b"f", sorted(_encode(part) for part in key))),
    (enum.Enum, lambda key: b"e" + f"{type(key).__qualname__}.{key.name}".encode()),
    (datetime.datetime, _encode_datetime),
    (datetime.date, lambda key: b"a" + key.isoformat().encode()),
    (datetime.timedelta, lambda key: b"i%d" % (key // datetime.timedelta(microseconds=1))),
    (datetime.time, _encode_time),
    (uuid.UUID, lambda key: b"u" + key.bytes),
]
