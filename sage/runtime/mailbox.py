"""Everything that reaches a task beside its data, and the one wake-up for both.

Timers, the ends of asynchronous calls and control arrive here and are handled by the operator's own task, between two batches: so its
code never runs twice at a time and needs no lock. (After Flink's mailbox model.)
"""

import asyncio
from collections import deque
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Mail", "MailKind", "Mailbox"]


class MailKind(Enum):
    """What a piece of mail is about."""

    TIMER = "a timer is due"
    DRAIN = "read no more from outside"
    PROBE = "ask whether the feedback loop is empty"
    LOOP_ENDED = "the feedback loop is empty"


class Mail(NamedTuple):
    """A piece of mail; `payload` depends on the kind."""

    kind: MailKind
    payload: Any = None


class Mailbox:
    """The mailbox of one task. Anyone on the same loop may post; only the task reads."""

    __slots__ = ("_waiter", "_woken", "collect_due", "mail")

    def __init__(self) -> None:
        self.mail: deque[Mail] = deque()
        #: The logic has something to collect, or has room again.
        self.collect_due = False
        # A wake-up came since the task last began to look around: it must not wait now.
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None

    def post(self, kind: MailKind, payload: Any = None) -> None:
        """Leave a piece of mail and wake the task."""
        self.mail.append(Mail(kind, payload))
        self.wake()

    def request_collect(self) -> None:
        """Have the task collect what its logic has ready, and wake it."""
        self.collect_due = True
        self.wake()

    def wake(self) -> None:
        """Let the task look around: data has come, say."""
        self._woken = True
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def look(self) -> None:
        """The task begins to look around: what comes from now on ends the next `wait`."""
        self._woken = False

    async def wait(self) -> None:
        """Wait until something comes, or go on at once if something has since `look`.

        Cancel safety: nothing is lost; what has come is still there to be seen.
        """
        if not self._woken:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
