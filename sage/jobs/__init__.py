"""Jobs: programs that were submitted."""

from sage.jobs.job import Job
from sage.jobs.result import JobResult

__all__ = ["Job", "JobResult"]
