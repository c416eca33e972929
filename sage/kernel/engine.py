"""What an environment needs from whatever runs its programs. A new engine is one new package that implements these."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

from sage.kernel.calls import Caller

__all__ = ["Engine", "Execution", "ExecutionStatus", "OperatorStatistics"]

Graph_contra = TypeVar("Graph_contra", contravariant=True)


class ExecutionStatus(StrEnum):
    """Where an execution stands.

    ::

        running ── draining ── finished
           │           │
           └───────────┴────── cancelled | failed
    """

    RUNNING = "running"
    DRAINING = "draining"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether it has ended, one way or another."""
        return self in (ExecutionStatus.FINISHED, ExecutionStatus.CANCELLED, ExecutionStatus.FAILED)


class OperatorStatistics(NamedTuple):
    """What an operator has done, all its subtasks together. Seconds are summed over the subtasks."""

    #: how many subtasks there are
    parallelism: int
    #: records taken from the input channels
    records_in: int
    #: records emitted, to all outputs together
    records_out: int
    #: records for side outputs that nobody reads
    dropped: int
    #: seconds of work, or with as many calls under way as there may be
    busy: float
    #: seconds waiting for input
    idle: float
    #: seconds waiting for room downstream (backpressure)
    blocked: float
    #: records queued in the input channels
    queued: int
    #: how many records the input channels hold; 0 for a source
    capacity: int


class Execution(Protocol):
    """One run of a graph."""

    @property
    def status(self) -> ExecutionStatus:
        """Where it stands."""
        ...

    @property
    def caller(self) -> Caller:
        """Where requests of the program's endpoints are made.

        Raises:
            NotAvailable: the engine takes none.
        """
        ...

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """What each operator has done so far, by name, sources first."""
        ...

    async def ready(self) -> None:
        """Wait until all operators are open, or the run has ended.

        Cancel safety: the run goes on.
        """
        ...

    async def run(self) -> None:
        """Run to the end; called once.

        Cancel safety: when cancelled, all tasks are cancelled and closed first.

        Raises:
            JobFailed: an operator failed.
        """
        ...

    def drain(self) -> None:
        """Have the sources end, so that what is inside is finished and `run` returns. Harmless at any time."""
        ...


class Engine(Protocol[Graph_contra]):
    """Runs graphs."""

    def prepare(self, name: str, graph: Graph_contra) -> Execution:
        """Make an execution of `graph`, to be run once.

        Raises:
            GraphError: the graph cannot run.
        """
        ...
