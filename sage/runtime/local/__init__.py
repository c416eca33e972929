"""The engine for one event loop."""

from sage.runtime.local.engine import LocalEngine
from sage.runtime.local.execution import LocalExecution

__all__ = ["LocalEngine", "LocalExecution"]
