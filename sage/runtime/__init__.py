"""The only place where operators meet transports: gates, routers, mailboxes, tasks, and the engines made of them.

Read `task` first, then `gate` and `router`; `local` puts them together.
"""

from sage.runtime.context import TaskContext, current_context
from sage.runtime.local import LocalEngine

__all__ = ["LocalEngine", "TaskContext", "current_context"]
