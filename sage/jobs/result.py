"""What is left when a job has ended."""

from collections.abc import Mapping
from dataclasses import dataclass

from sage.kernel import ExecutionStatus, OperatorStatistics

__all__ = ["JobResult"]


@dataclass(frozen=True)
class JobResult:
    """How a job went.

    Attributes:
        name: the job's name.
        id: the job's id.
        status: how it ended.
        duration: seconds from start to end.
        operators: what each operator did, by name.
        restarts: how often the job was restarted from a checkpoint.
    """

    name: str
    id: str
    status: ExecutionStatus
    duration: float
    operators: Mapping[str, OperatorStatistics]
    restarts: int = 0

    def __str__(self) -> str:
        counts = ", ".join(
            f"{name}: {done.records_in} in, {done.records_out} out" for name, done in self.operators.items()
        )
        return f"job {self.name!r} {self.status} after {self.duration:.3f} s ({counts})"
