"""Minds an open call: its deadline, and what is to be done when it is over."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sage.admission import Pass
from sage.errors import DeadlineExceeded
from sage.runtime.calls.running import RunningCall

if TYPE_CHECKING:
    from sage.runtime.calls.desk import CallDesk

__all__ = ["watch"]


def watch(desk: "CallDesk", call: RunningCall, entry: Pass | None, too_late: Callable[[str], DeadlineExceeded]) -> None:
    """Keep a call among the open ones until it is over, and then let the next one in.

    A deadline is one timer here. It marks the call dead, and operators drop its records where they meet them.

    Args:
        desk: where it was made.
        call: the call.
        entry: what let it in, if there are bounds.
        too_late: makes the error of a deadline that has passed.
    """
    desk.open.add(call)
    call.on_over = _Watch(desk, entry, call, too_late).over


class _Watch:
    __slots__ = ("_desk", "_entry", "_timer")

    def __init__(
        self, desk: "CallDesk", entry: Pass | None, call: RunningCall, too_late: Callable[[str], DeadlineExceeded]
    ) -> None:
        self._desk = desk
        self._entry = entry
        self._timer: asyncio.TimerHandle | None = None
        if call.deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(call.deadline, _late, call, too_late)

    def over(self, call: Any) -> None:
        """It has died, or the last of its records is gone."""
        desk = self._desk
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if call.live:
            desk.dead.add(call)
            return
        desk.dead.discard(call)
        desk.open.discard(call)
        call.on_over = None
        if self._entry is not None:
            self._entry.leave()


def _late(call: RunningCall, too_late: Callable[[str], DeadlineExceeded]) -> None:
    call.kill(too_late("before the answer was whole"))
