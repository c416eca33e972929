"""Minds an open call: its deadline, and what is to be done when it is over."""

import asyncio
from collections.abc import Callable
from typing import Any

from sage.admission import Pass
from sage.errors import DeadlineExceeded
from sage.runtime.calls.open_calls import OpenCalls
from sage.runtime.calls.running import RunningCall

__all__ = ["watch"]


def watch(calls: OpenCalls, call: RunningCall, entry: Pass | None, too_late: Callable[[str], DeadlineExceeded]) -> None:
    """Keep a call among the open ones until it is over, and then let the next one in.

    A deadline is one timer here. It marks the call dead, and operators drop its records where they meet them.

    Args:
        calls: those of the job.
        call: the call.
        entry: what let it in, if there are bounds.
        too_late: makes the error of a deadline that has passed.
    """
    calls.open.add(call)
    call.on_over = _Watch(calls, entry, call, too_late).over


class _Watch:
    __slots__ = ("_calls", "_entry", "_timer")

    def __init__(
        self, calls: OpenCalls, entry: Pass | None, call: RunningCall, too_late: Callable[[str], DeadlineExceeded]
    ) -> None:
        self._calls = calls
        self._entry = entry
        self._timer: asyncio.TimerHandle | None = None
        if call.deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(call.deadline, _late, call, too_late)

    def over(self, call: Any) -> None:
        """It has died, or the last of its records is gone."""
        calls = self._calls
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if call.live:
            calls.dead.add(call)
            return
        calls.dead.discard(call)
        calls.open.discard(call)
        call.on_over = None
        if self._entry is not None:
            self._entry.leave()


def _late(call: RunningCall, too_late: Callable[[str], DeadlineExceeded]) -> None:
    call.kill(too_late("before the answer was whole"))
