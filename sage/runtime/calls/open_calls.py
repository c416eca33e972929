"""The calls that are inside of a job, and whether more may come in."""

from copy import copy

from sage.admission import Admission, Door
from sage.errors import JobCancelled, JobNotRunning
from sage.operators.calls import Call
from sage.runtime.calls.inlet import JobInlet

__all__ = ["OpenCalls"]


class OpenCalls:
    """The book of a job's calls.

    Args:
        job: the job's name.
        admission: how many are let in; `None` for all.
        window: how many records of an answer may wait to be read.

    Attributes:
        open: the calls that are inside.
        dead: those of them whose records are dropped where they are met.
        door: what lets them in, if there are bounds.
        window: see above.
    """

    def __init__(self, job: str, admission: Admission | None, window: int) -> None:
        self.window = window
        self.open: set[Call] = set()
        self.dead: set[Call] = set()
        self.door = None if admission is None else Door(admission, f"job {job!r}")
        self._job = job
        # Why nothing is taken any more.
        self._closed: str | None = None

    def check(self, inlet: JobInlet) -> None:
        """Refuse a request that comes too late.

        Raises:
            JobNotRunning: the job, or this endpoint, takes none any more.
        """
        reason = self._closed
        if reason is None and inlet.closed:
            reason = "nothing in the program reads them any more"
        if reason is not None:
            raise JobNotRunning(f"endpoint {inlet.endpoint.name!r} takes no requests: {reason}", job=self._job)

    def refuse(self, reason: str) -> None:
        """Take no more requests, and tell this reason; those inside go on."""
        self._closed = reason
        if self.door is not None:
            self.door.close(lambda: JobNotRunning(f"it takes no requests: {reason}", job=self._job))

    def end(self, failure: BaseException | None) -> None:
        """The job has ended: what is still open ends with it."""
        self.refuse("the job has ended")
        error = failure or JobCancelled("it ended before the answer was whole", job=self._job)
        for call in list(self.open):
            call.kill(copy(error))  # each caller raises one of its own, and adds to its traceback
        self.open.clear()  # their records went with the job
        self.dead.clear()
