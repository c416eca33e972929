"""What is looked at once in a turn of the loop.

Whether a queue may be used here (is it open, in this loop, in this process, and has nobody come before?) takes longer
to find out than to put an item. Until the loop gets control again the answer stays the same; but for a child that is
forked meanwhile, which has all that its parent knew.
"""

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["look_again_in_children"]


class _Observer(Protocol):
    def look_again(self) -> None:
        """What was seen holds no more."""


_observers: "WeakSet[_Observer]" = WeakSet()


def look_again_in_children(observer: _Observer) -> None:
    """Have `observer.look_again()` called in children that this process forks."""
    _observers.add(observer)


def _in_child() -> None:
    for observer in list(_observers):
        observer.look_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
