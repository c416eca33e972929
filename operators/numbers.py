"""Numbers that the user gives: what counts as one.

A `bool` never does, although Python derives it from `int`: who writes ``parallelism=True`` means something else. Text,
not a number, and infinity do not either, so that a comparison with what is allowed always has an answer.
"""

from datetime import timedelta
from math import isfinite
from typing import TypeVar

__all__ = ["grown", "is_count", "is_number", "seconds"]

T = TypeVar("T")


def is_count(value: object, least: int = 1) -> bool:
    """Whether `value` is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object, *, least: float = 0, beyond: bool = False) -> bool:
    """Whether `value` is a finite number of at least `least`; with `beyond`, greater than it."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return False
    return value > least if beyond else value >= least


def seconds(duration: T | timedelta) -> T | float:
    """A duration in seconds; what is no timedelta stays as it is."""
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def grown(first: float, factor: float, times: int, most: float) -> float:
    """`first`, multiplied by `factor` so many times, but no more than `most`: a pause between attempts, as it grows."""
    try:
        return float(min(most, first * factor**times))
    except OverflowError:  # beyond any number
        return float(most) if first else 0.0
