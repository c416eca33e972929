"""What one request was given at the door."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["Pass"]


class Pass:
    """The right of one request to be inside; as a context manager it is left at the end of the block.

    `Door.enter` makes it.

    Args:
        key: on whose behalf.
        tokens: how many tokens were reserved.
        priority: who waits with a higher one goes first.
        left: is told when the pass is left.
    """

    __slots__ = ("_left", "inside", "key", "priority", "tokens", "turn")

    def __init__(self, key: Any, tokens: int, priority: int, left: "Callable[[Pass], None]") -> None:
        self.key = key
        self.tokens = tokens
        self.priority = priority
        #: Whether it counts now.
        self.inside = False
        #: What wakes up whoever waits for it; `None` if it was let in at once.
        self.turn: asyncio.Future[None] | None = None
        self._left = left

    def leave(self) -> None:
        """Go out; the next in line goes in. Harmless when it was left already."""
        if self.inside:
            self.inside = False
            self._left(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
