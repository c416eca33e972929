"""The managers that a runtime is made of, as contracts. Engines implement those that they have."""

from collections.abc import Mapping
from typing import Any, Protocol

from sage.kernel.engine import ExecutionStatus

__all__ = ["CheckpointManager", "JobManager", "ServiceManager", "StateManager", "TaskManager"]


class JobManager(Protocol):
    """Knows the jobs of an engine."""

    def jobs(self) -> Mapping[str, ExecutionStatus]:
        """The status of every job, by id."""
        ...

    def drain(self, job: str) -> None:
        """Have a job finish what is inside."""
        ...

    async def cancel(self, job: str) -> None:
        """Stop a job without finishing.

        Cancel safety: the job is cancelled all the same.
        """
        ...


class TaskManager(Protocol):
    """Runs the tasks of one job: starts them, watches them, tells of the first failure."""

    async def run(self) -> None:
        """Run all tasks to their end.

        Cancel safety: when cancelled, all tasks are cancelled and closed first.
        """
        ...

    def drain(self) -> None:
        """Have the sources end."""
        ...


class ServiceManager(Protocol):
    """Finds and calls the services of a job."""

    async def call(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.
        """
        ...


class StateManager(Protocol):
    """Gives an operator its state; what it holds is kept by checkpoints."""

    def value(self, name: str, default: Any = None) -> Any:
        """A single value for the current key."""
        ...

    def list(self, name: str) -> Any:
        """A list for the current key."""
        ...

    def map(self, name: str) -> Any:
        """A mapping for the current key."""
        ...


class CheckpointManager(Protocol):
    """Takes consistent snapshots of a job and finds the last one again."""

    async def checkpoint(self) -> int:
        """Take one now; return its number.

        Cancel safety: an unfinished checkpoint is dropped.
        """
        ...

    async def latest(self) -> int | None:
        """The number of the last one that is whole.

        Cancel safety: reading only.
        """
        ...
