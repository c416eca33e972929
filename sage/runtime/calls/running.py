"""A call as the runtime makes it: it gives its deadline to all that works for it, and is known by a number."""

from contextvars import ContextVar
from itertools import count
from weakref import WeakValueDictionary

from sage.operators.calls import Call
from sage.services.deadline import carried

__all__ = ["RunningCall", "call_of", "current_call"]

#: The call that the running code works for.
current_call: ContextVar["RunningCall | None"] = ContextVar("sage.call", default=None)

_numbers = count(1)
_by_number: WeakValueDictionary[int, "RunningCall"] = WeakValueDictionary()


class RunningCall(Call):
    """One request of this process.

    Args:
        name: what log lines call it.
        options: as for `Call`.
    """

    __slots__ = ("_number",)

    _number: int

    @property
    def number(self) -> int:
        """Unique in this process; stands for the call where its records leave the event loop for a while."""
        if not hasattr(self, "_number"):  # the first of its records leaves
            self._number = next(_numbers)
            _by_number[self._number] = self
        return self._number

    def enter(self) -> None:
        """See `Call.enter`."""
        current_call.set(self)
        carried(self.deadline)

    def leave(self) -> None:
        """See `Call.leave`."""
        current_call.set(None)
        carried(None)


def call_of(number: int) -> RunningCall:
    """The call with this number; a dead one stands for it when it is over, so that its records are dropped."""
    call = _by_number.get(number)
    if call is None:
        call = RunningCall(f"{number}, which is over")
        call.dead = True
    return call
