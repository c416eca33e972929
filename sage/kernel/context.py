"""What the runtime lends to the user's functions."""

import logging
from typing import Any, Protocol

__all__ = ["ExecutionContext", "RuntimeContext"]


class RuntimeContext(Protocol):
    """What a function may ask of its surroundings while it is open.

    ``open(context)`` gets it, and `sage.context()` returns it.
    """

    @property
    def job(self) -> str:
        """The job's name."""
        ...

    @property
    def name(self) -> str:
        """The operator's name, as in the graph."""
        ...

    @property
    def logger(self) -> logging.Logger:
        """A logger named after the operator."""
        ...

    @property
    def subtask_index(self) -> int:
        """Which of the parallel instances this is, from 0."""
        ...

    @property
    def parallelism(self) -> int:
        """How many parallel instances there are."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether the job drains, fails or is cancelled: a source may end, a long loop may break off."""
        ...

    def now(self) -> float:
        """Processing time: seconds since the epoch, by the job's clock."""
        ...

    @property
    def call(self) -> Any:
        """The request that the running async function works for, with its ``deadline``, ``key`` and ``name`` (trace).

        `None` outside of one.
        """
        ...

    @property
    def state(self) -> Any:
        """The `StateManager` of this subtask.

        Raises:
            NotAvailable: the engine keeps no state.
        """
        ...

    @property
    def services(self) -> Any:
        """The `ServiceManager` of the job.

        Raises:
            UnknownService: the job has no services.
        """
        ...

    async def call_service(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a registered service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.
        """
        ...

    def call_service_async(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return a task to await.

        It ends with the operator: at the end of its input it is waited for, else it is cancelled.
        """
        ...


class ExecutionContext(Protocol):
    """What a function has while it works on one record."""

    @property
    def key(self) -> Any:
        """The record's key, on a keyed stream; else `None`."""
        ...

    @property
    def timestamp(self) -> float | None:
        """When the record happened, in seconds since the epoch, if it has a timestamp."""
        ...

    def emit(self, value: Any, output: str | None = None) -> None:
        """Send a value on; to the side output of that name if one is given."""
        ...
