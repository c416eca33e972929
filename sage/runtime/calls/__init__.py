"""Requests through a running program: who asks, who is let in, and how the answers get back."""

from sage.runtime.calls.answer import Answer
from sage.runtime.calls.desk import CallDesk

__all__ = ["Answer", "CallDesk"]
