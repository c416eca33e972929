"""Where in a value something lies, so that an error can tell. Runs only when there is an error to tell of."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["place_of"]

# How many values are looked at: it must not take longer than what failed.
_MOST: Final = 10_000


def place_of(wanted: object, root: object) -> str:
    """The place of `wanted` below `root` as Python would write it, such as ``['points'][3].x``.

    Empty if it is the root itself, or is not found nearby.
    """
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    for place, value in waiting:
        if value is wanted:
            return place
        if id(value) not in seen and len(waiting) < _MOST:
            seen.add(id(value))
            waiting.extend((place + step, inner) for step, inner in _parts(value))
    return ""


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if kind is dict:
        for key, inner in value.items():
            yield f"[{_short(key)}]", inner
            yield f" (the key {_short(key)})", key
    elif kind in (list, tuple):
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value[:_MOST]))
    elif kind in (set, frozenset):
        yield from ((f" (the element {_short(inner)})", inner) for inner in value)
    elif dataclasses.is_dataclass(kind):
        names = (field.name for field in dataclasses.fields(kind))
        yield from ((f".{name}", getattr(value, name, None)) for name in names)
    elif hasattr(kind, "_fields") and isinstance(value, tuple):
        yield from ((f".{name}", inner) for name, inner in zip(kind._fields, value, strict=False))


def _short(key: object) -> str:
    return f"{key!r:.40}" if type(key) in (str, bytes, int, float, bool, type(None)) else type(key).__name__
