"""Several ways to the same answer, until one of them has begun."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from sage.errors import GraphError
from sage.middleware.errors import ModelError
from sage.operators.numbers import grown, is_count, is_number, seconds
from sage.services.deadline import remaining

__all__ = ["Pauses", "first_that_answers"]

T = TypeVar("T")
# Seconds that a pause may reach.
_LONGEST = 60.0
# Stands for the first item of a stream that has none.
_NOTHING: Any = object()
Attempt = Callable[[], AsyncGenerator[T, None]]


@dataclass(frozen=True)
class Pauses:
    """How often servers are tried, and how long the pauses are.

    Args:
        attempts: how often at most, the first time included.
        pause: seconds, or a timedelta, before the second time; each is twice as long as the one before, up to a minute.

    Raises:
        GraphError: a value cannot be.
    """

    attempts: int
    pause: float | timedelta

    def __post_init__(self) -> None:
        if not is_count(self.attempts):
            raise GraphError(f"attempts={self.attempts!r}: write how often all servers are tried, 1 or more")
        if not is_number(seconds(self.pause)):
            raise GraphError(f"pause={self.pause!r}: write seconds, 0 or more")

    def before(self, turn: int) -> float:
        """Seconds before the `turn`-th time, counted from 1; the second is the first with a pause.

        Spread out, so that those who failed together do not come back together.
        """
        return grown(seconds(self.pause), 2.0, turn - 2, _LONGEST) * random.uniform(0.5, 1)


async def first_that_answers(attempts: Sequence[Attempt[T]], pauses: Pauses) -> AsyncGenerator[T, None]:
    """The items of the first attempt that gives one, or that ends without.

    All are tried in order. When each has failed there is a pause, as long as the server wants it to be if one said so,
    and those whose error may pass are tried again.

    Cancel safety: closing it closes the attempt that is under way.

    Args:
        attempts: each makes a stream; its errors count until its first item.
        pauses: how often all are tried, and when.

    Raises:
        ModelError: what the last attempt raised, with a note for each one before. It is raised at once when the
            deadline of whoever asks would pass in the pause, or when a server wants more than a minute.
    """
    failures: list[ModelError] = []
    turn_began = 0
    left = list(attempts)
    for turn in range(1, pauses.attempts + 1):
        if turn > 1:
            await _wait(pauses.before(turn), failures, failures[turn_began:])
            turn_began = len(failures)
        for attempt in list(left):
            async with aclosing(attempt()) as items:
                try:
                    first = await anext(items, _NOTHING)
                except ModelError as error:
                    failures.append(error)
                    if not error.passing:
                        left.remove(attempt)
                    continue
                if first is not _NOTHING:
                    yield first
                    async for item in items:
                        yield item
                return
        if not left:
            break
    raise _last(failures)


async def _wait(pause: float, failures: list[ModelError], latest: list[ModelError]) -> None:
    """Wait before the next turn, at least as long as a server wants that failed in the turn before.

    Raises:
        ModelError: there is no time to, or a server wants to be left alone for longer than a pause may be.
    """
    wanted = max((error.retry_after or 0 for error in latest), default=0)
    pause = max(wanted, pause)
    time_left = remaining()
    if wanted > _LONGEST or (time_left is not None and time_left <= pause):
        raise _last(failures)
    await asyncio.sleep(pause)


def _last(failures: list[ModelError]) -> ModelError:
    *earlier, last = failures
    for error in earlier:
        last.add_note(f"before that: {error}")
    return last
