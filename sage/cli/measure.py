"""What happened between two looks at a running job: rates and shares of time by difference."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sage.kernel import ExecutionStatus, OperatorStatistics

__all__ = ["History", "JobProgress", "OperatorProgress", "Shares", "Snapshot"]

_NOTHING = OperatorStatistics(
    parallelism=0, records_in=0, records_out=0, dropped=0, busy=0.0, idle=0.0, blocked=0.0, queued=0, capacity=0
)


class Snapshot(NamedTuple):
    """The counters of a job at a moment."""

    #: seconds since the job's start
    at: float
    operators: Mapping[str, OperatorStatistics]


class Shares(NamedTuple):
    """What an operator did with its time, each from 0 to 1; what is missing to 1 was outside of its life."""

    busy: float
    #: waiting for input
    idle: float
    #: held back by backpressure
    blocked: float


@dataclass(frozen=True)
class OperatorProgress:
    """How an operator gets on.

    Attributes:
        name: the operator's.
        totals: its counters since the start.
        rate: records per second lately: taken in, or for a source given out.
        shares: what it did with its time lately; `None` when it has told of none.
    """

    name: str
    totals: OperatorStatistics
    rate: float
    shares: Shares | None

    @property
    def title(self) -> str:
        """Its name, and how many subtasks it has if there are several."""
        return f"{self.name} ×{self.totals.parallelism}" if self.totals.parallelism > 1 else self.name

    @property
    def fill(self) -> float | None:
        """How full its input channels are, from 0 (empty); `None` if it has none that could be full."""
        return self.totals.queued / self.totals.capacity if self.totals.capacity else None


@dataclass(frozen=True)
class JobProgress:
    """How a job gets on.

    Attributes:
        name: the job's.
        status: where it stands.
        seconds: since the start.
        operators: in the order in which they were written.
    """

    name: str
    status: ExecutionStatus
    seconds: float
    operators: list[OperatorProgress]

    @property
    def headline(self) -> str:
        """The job in a line."""
        return f"job {self.name!r} {self.status}, {self.seconds:.1f} s"


class History:
    """The last snapshots of a job.

    Args:
        window: over how many seconds, at least, rates and shares are taken; with 0, since the snapshot before.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._snapshots: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """Remember one, and forget those that are not needed any more."""
        self._snapshots.append(snapshot)
        while len(self._snapshots) > 2 and self._snapshots[1].at <= snapshot.at - self._window:
            self._snapshots.popleft()

    def lately(self) -> list[OperatorProgress]:
        """How the operators got on over the window; over their whole life if it was shorter."""
        latest = self._snapshots[-1]
        return _difference(self._snapshots[0] if len(self._snapshots) > 1 else Snapshot(0.0, {}), latest)

    def overall(self) -> list[OperatorProgress]:
        """How the operators got on from the start to the last snapshot."""
        return _difference(Snapshot(0.0, {}), self._snapshots[-1])


def _difference(earlier: Snapshot, later: Snapshot) -> list[OperatorProgress]:
    seconds = later.at - earlier.at
    return [
        _operator(name, earlier.operators.get(name, _NOTHING), now, seconds) for name, now in later.operators.items()
    ]


def _operator(name: str, then: OperatorStatistics, now: OperatorStatistics, seconds: float) -> OperatorProgress:
    records = _handled(now) - _handled(then)
    return OperatorProgress(name, now, records / seconds if seconds > 0 else 0.0, _shares(then, now, seconds))


def _handled(statistics: OperatorStatistics) -> int:
    is_source = not (statistics.capacity or statistics.records_in)
    return statistics.records_out if is_source else statistics.records_in


def _shares(then: OperatorStatistics, now: OperatorStatistics, seconds: float) -> Shares | None:
    """Differences over the time that all subtasks had.

    A wait may be counted when it ends, and so with time from before the interval: the shares are kept to 1 in all.
    """
    spent = (now.busy - then.busy, now.idle - then.idle, now.blocked - then.blocked)
    total = max(sum(spent), seconds * now.parallelism)
    return Shares(*(part / total for part in spent)) if any(spent) else None
