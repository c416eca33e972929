"""Everything that reaches a task beside its data, and the one wake-up for both.

Timers, the ends of asynchronous calls and control arrive here and are handled by the operator's own task, between two
batches: so its code never runs twice at a time and needs no lock. (After Flink's mailbox model.)
"""

import asyncio
from collections import deque
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Mail", "MailKind", "Mailbox"]


class MailKind(Enum):
    """What a piece of mail is about."""

    TIMER = "a timer is due"
    PROBE = "ask whether the feedback loop is empty"
    LOOP_ENDED = "the feedback loop is empty"


class Mail(NamedTuple):
    """A piece of mail; `payload` depends on the kind."""

    kind: MailKind
    payload: Any = None


class Mailbox:
    """The mailbox of one task. Anyone on the same loop may post; only the task reads."""

    __slots__ = ("_loop", "_waiter", "collect_due", "mail", "woken")

    def __init__(self) -> None:
        self.mail: deque[Mail] = deque()
        #: The logic has something to collect, or has room again.
        self.collect_due = False
        #: Something has come since the task last cleared this, when it began to look around: it must not wait now.
        self.woken = False
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

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
        if not self.woken:
            self.woken = True
            waiter = self._waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def arrival(self) -> "asyncio.Future[None]":
        """A future that is done when something comes. Ask only while `woken` is false; cancelling it loses nothing."""
        self._waiter = waiter = self._loop.create_future()
        return waiter
