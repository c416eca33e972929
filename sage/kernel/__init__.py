"""Contracts only: what the API depends on, the runtimes implement, and a test engine implements too."""

from sage.kernel.calls import Answer, Caller, RequestOptions
from sage.kernel.context import ExecutionContext, RuntimeContext
from sage.kernel.engine import Engine, Execution, ExecutionStatus, OperatorStatistics
from sage.kernel.managers import CheckpointManager, JobManager, ServiceManager, StateManager, TaskManager
from sage.kernel.routing import DataTransport, MessageRouter

__all__ = [
    "Answer",
    "Caller",
    "CheckpointManager",
    "DataTransport",
    "Engine",
    "Execution",
    "ExecutionContext",
    "ExecutionStatus",
    "JobManager",
    "MessageRouter",
    "OperatorStatistics",
    "RequestOptions",
    "RuntimeContext",
    "ServiceManager",
    "StateManager",
    "TaskManager",
]
