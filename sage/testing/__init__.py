"""Helpers for testing programs and operators: no test needs to sleep."""

from sage.testing.clock import ManualClock
from sage.testing.harness import OperatorHarness

__all__ = ["ManualClock", "OperatorHarness"]
