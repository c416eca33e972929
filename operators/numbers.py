"""Numbers that the user gives: what counts as one.

A `bool` never does, although Python derives it from `int`: who writes ``parallelism=True`` means something else. Text,
not a number, and infinity do not either, so that a comparison with what is allowed always has an answer.
"""

from math import isfinite

__all__ = ["is_count", "is_number"]


def is_count(value: object, least: int = 1) -> bool:
    """Whether `value` is a whole number of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object, *, least: float = 0, beyond: bool = False) -> bool:
    """Whether `value` is a finite number of at least `least`; with `beyond`, greater than it."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return False
    return value > least if beyond else value >= least
