"""Dates, times and their zones, as the payloads of extensions; `extensions` tells the layouts."""

import datetime
import re
import struct
from typing import Any
from zoneinfo import ZoneInfo

from sage.transports.errors import CodecError

__all__ = [
    "read_date",
    "read_datetime",
    "read_time",
    "read_timedelta",
    "read_zone",
    "write_date",
    "write_datetime",
    "write_time",
    "write_timedelta",
    "write_zone",
]

_DATE = struct.Struct(">HBB")
_TIME = struct.Struct(">BBBIBB")
_TIMEDELTA = struct.Struct(">iII")
_OFFSET = struct.Struct(">q")

_NAIVE, _UTC, _FIXED, _NAMED = range(4)

_MICROSECOND = datetime.timedelta(microseconds=1)
_ZONE_KEY = re.compile(rb"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")


def write_date(value: datetime.date) -> bytes:
    """Two bytes of year, one of month, one of day."""
    return _DATE.pack(value.year, value.month, value.day)


def read_date(payload: bytes) -> datetime.date:
    """What `write_date` wrote; errors of `datetime` itself are passed on, as everywhere here."""
    return datetime.date(*_DATE.unpack(payload))


def write_time(value: datetime.time) -> bytes:
    """Hour, minute, second, microsecond, fold, then the zone. Raises `CodecError` for zones of other libraries."""
    kind, zone = _write_zone(value.tzinfo)
    return _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold, kind) + zone


def read_time(payload: bytes) -> datetime.time:
    """What `write_time` wrote."""
    hour, minute, second, microsecond, fold, kind = _TIME.unpack(payload[: _TIME.size])
    zone = _read_zone(kind, payload[_TIME.size :])
    return datetime.time(hour, minute, second, microsecond, zone, fold=fold)


def write_datetime(value: datetime.datetime) -> bytes:
    """The date, then the time."""
    return write_date(value) + write_time(value.timetz())


def read_datetime(payload: bytes) -> datetime.datetime:
    """What `write_datetime` wrote."""
    day = read_date(payload[: _DATE.size])
    return datetime.datetime.combine(day, read_time(payload[_DATE.size :]))


def write_timedelta(value: datetime.timedelta) -> bytes:
    """Days, seconds, microseconds."""
    return _TIMEDELTA.pack(value.days, value.seconds, value.microseconds)


def read_timedelta(payload: bytes) -> datetime.timedelta:
    """What `write_timedelta` wrote."""
    return datetime.timedelta(*_TIMEDELTA.unpack(payload))


def write_zone(value: datetime.tzinfo) -> bytes:
    """The zone as in a time. Raises `CodecError` for zones of other libraries."""
    kind, zone = _write_zone(value)
    return bytes((kind,)) + zone


def read_zone(payload: bytes) -> datetime.tzinfo:
    """What `write_zone` wrote."""
    zone: datetime.tzinfo | None = _read_zone(payload[0], payload[1:])
    if zone is None:
        raise CodecError("its zone is none")
    return zone


def _write_zone(zone: datetime.tzinfo | None) -> tuple[int, bytes]:
    if zone is None:
        return _NAIVE, b""
    if zone is datetime.UTC:
        return _UTC, b""
    if type(zone) is datetime.timezone:
        return _FIXED, _write_fixed(zone)
    if type(zone) is ZoneInfo and zone.key is not None and _ZONE_KEY.fullmatch(zone.key.encode()):
        return _NAMED, zone.key.encode()
    raise CodecError(
        f"its zone {zone!r} does not travel: use datetime.UTC, a datetime.timezone, or a zoneinfo.ZoneInfo by its key"
    )


def _write_fixed(zone: datetime.timezone) -> bytes:
    offset = zone.utcoffset(None)
    name = zone.tzname(None)
    usual = datetime.timezone(offset).tzname(None)
    return _OFFSET.pack(offset // _MICROSECOND) + (b"" if name == usual else name.encode())


def _read_zone(kind: int, rest: bytes) -> Any:
    if kind == _FIXED:
        (microseconds,) = _OFFSET.unpack(rest[: _OFFSET.size])
        offset = datetime.timedelta(microseconds=microseconds)
        name = rest[_OFFSET.size :].decode()
        return datetime.timezone(offset, name) if name else datetime.timezone(offset)
    if kind == _NAMED and _ZONE_KEY.fullmatch(rest):
        return ZoneInfo(rest.decode())
    if kind in (_NAIVE, _UTC) and not rest:
        return datetime.UTC if kind == _UTC else None
    raise CodecError("its zone is not written as a zone")
