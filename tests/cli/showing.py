"""Progress that was never made, to be shown."""

from sage.cli.measure import JobProgress, OperatorProgress, Shares
from sage.kernel import ExecutionStatus, OperatorStatistics

__all__ = ["operator", "progress"]


def operator(
    name: str,
    *,
    taken: int = 0,
    given: int = 0,
    rate: float = 0.0,
    shares: Shares | None = None,
    parallelism: int = 1,
    queued: int = 0,
    capacity: int = 1024,
) -> OperatorProgress:
    """An operator that has taken in and given out so many records."""
    totals = OperatorStatistics(
        parallelism=parallelism,
        records_in=taken,
        records_out=given,
        dropped=0,
        busy=0.0,
        idle=0.0,
        blocked=0.0,
        queued=queued,
        capacity=capacity,
    )
    return OperatorProgress(name, totals, rate, shares)


def progress(*operators: OperatorProgress, status: ExecutionStatus = ExecutionStatus.RUNNING) -> JobProgress:
    """A job of these operators, twelve and a half seconds after its start."""
    return JobProgress("clicks", status, 12.5, list(operators))
