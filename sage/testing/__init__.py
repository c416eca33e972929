"""Helpers for testing programs and operators: no test needs to sleep."""

from sage.testing.clock import ManualClock
from sage.testing.harness import OperatorHarness
from sage.testing.leaks import assert_nothing_left
from sage.testing.plain import PlainEngine
from sage.testing.virtual import DeadlockError, VirtualLoop, run, virtual_time

__all__ = [
    "DeadlockError",
    "ManualClock",
    "OperatorHarness",
    "PlainEngine",
    "VirtualLoop",
    "assert_nothing_left",
    "run",
    "virtual_time",
]
