"""A replica: one running instance of a service, wherever it runs."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any

from sage.errors import ServiceUnavailable
from sage.services.neighbour import Neighbour
from sage.services.service import MethodKind
from sage.services.statistics import BatchStatistics

__all__ = ["NotBegun", "Replica"]


class NotBegun(ServiceUnavailable):
    """The replica could not be reached, and the method has certainly not begun: another one may be asked."""


class Replica(ABC):
    """One instance of a service.

    Args:
        index: which of the replicas, from 0.

    Attributes:
        outstanding: calls that it has not answered yet.
        reason: why it cannot be called, while that is so.
        methods: what can be called; known once it has started.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.outstanding = 0
        self.reason = "it has not started"
        self.methods: Mapping[str, MethodKind] = {}

    @property
    def batches(self) -> Mapping[str, BatchStatistics]:
        """The lists that its `@sage.batched` methods were given so far, by method; over all lives."""
        return {}

    async def learn(self, neighbour: Neighbour) -> None:
        """Tell it of a service that has started after it; one in this process finds it by itself.

        Cancel safety: nothing is awaited here.
        """

    @abstractmethod
    async def start(self) -> None:
        """Make the instance and start it.

        Cancel safety: `stop` is called.

        Raises:
            Exception: what the instance raised.
            ServiceUnavailable: there is no instance to raise anything.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Stop the instance, and let go of everything. Called once, also after a `start` that failed.

        Cancel safety: it is shielded.
        """

    @abstractmethod
    async def died(self) -> str:
        """Return when the replica is gone for good, with the reason; one that lives in this process never does.

        Cancel safety: nothing is lost.
        """

    @abstractmethod
    async def health(self) -> Mapping[str, Any]:
        """What the instance tells of itself.

        Cancel safety: nothing is lost.
        """

    @abstractmethod
    def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]:
        """The answer of a method that answers with one value. Cancelling the wait cancels the call.

        Raises:
            NotBegun: as it says.
            Exception: what the instance raised, or why its answer is not known.
        """

    @abstractmethod
    def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """The answer of a method that streams. Closing the generator cancels the call.

        Raises:
            NotBegun, Exception: as `call`.
        """
