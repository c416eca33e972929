"""On whose behalf the running code runs: an operator, or a service."""

from contextvars import ContextVar
from typing import Any

__all__ = ["current"]

#: The context that `sage.context()` returns: a `RuntimeContext`, or the context of a service.
current: ContextVar[Any] = ContextVar("sage.context")
