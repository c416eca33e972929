"""What a service has done, in figures."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

__all__ = ["BatchStatistics", "ServiceStatistics"]


@dataclass
class BatchStatistics:
    """The lists into which the calls of one `@sage.batched` method were gathered.

    Attributes:
        sizes: how often a list of each size (in items) was dispatched.
        reasons: how often a list was dispatched because it was ``"full"``, or because its ``"time"`` was up.
    """

    sizes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def lists(self) -> int:
        """How many lists were dispatched."""
        return self.sizes.total()

    @property
    def items(self) -> int:
        """How many items were in them."""
        return sum(size * count for size, count in self.sizes.items())

    def count(self, size: int, reason: str) -> None:
        """One list more."""
        self.sizes[size] += 1
        self.reasons[reason] += 1

    def add(self, other: Self) -> None:
        """Count what another has counted as well."""
        self.sizes.update(other.sizes)
        self.reasons.update(other.reasons)


@dataclass
class ServiceStatistics:
    """What a service has done since it was started.

    Attributes:
        calls: that were asked for, streams included.
        failures: calls that ended in an exception; those that were cancelled are not counted.
        retries: further attempts.
        restarts: replicas that were started again.
        batches: what was gathered, by the name of the `@sage.batched` method, over all replicas and all their lives. A
            replica in another process tells it a tenth of a second late at most, so the last of one that is killed is
            not known. Of services of another program nothing is known here.
    """

    calls: int = 0
    failures: int = 0
    retries: int = 0
    restarts: int = 0
    batches: dict[str, BatchStatistics] = field(default_factory=dict)
