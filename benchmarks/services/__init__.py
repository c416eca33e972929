"""What a call of a service costs: in this event loop beside a bare await, in another process beside other libraries."""

from benchmarks.services.comparison import run

__all__ = ["run"]
