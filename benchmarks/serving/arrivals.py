"""Requests that come when they come, however long the answers take; each is timed from when it should have been sent.

So a server that is slow is not asked less, and what waits in the client counts. (Coordinated omission, as G. Tene
calls it, is what is left out otherwise.)
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.serving.clients import Clients
from benchmarks.serving.engine import Stamp, stamps
from benchmarks.transports.stage import clock

__all__ = ["Seen", "ask_all", "poisson"]

#: Seconds until the first of them.
_SOON = 0.02


@dataclass
class Seen:
    """What a client has seen of one answer.

    Args:
        intended: when the request was to be sent.
        status: of HTTP; 0 if there was none.
        ended: when the answer was whole.
        tokens: each with the time at which it came.
    """

    intended: float
    status: int = 0
    ended: float = 0.0
    tokens: list[tuple[Stamp, float]] = field(default_factory=list)
    _rest: bytes = b""

    def take(self, now: float, data: bytes) -> None:
        """Bytes of it have come."""
        data, end = self._rest + data, 0
        for stamp, behind in stamps(data):
            self.tokens.append((stamp, now))
            end = behind
        self._rest = data[max(end, len(data) - 64) :]

    @property
    def gaps(self) -> list[float]:
        """The seconds between its tokens."""
        times = [came for _, came in self.tokens]
        return [later - before for before, later in pairwise(times)]


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests come that know nothing of each other: seconds from the first of them, in order."""
    draw, times, now = random.Random(seed), [], 0.0
    while now < seconds:
        times.append(now)
        now += draw.expovariate(rate)
    return times


async def ask_all(clients: Clients, request: bytes, times: Sequence[float]) -> list[Seen]:
    """Send a request at each of the times, and wait for all answers.

    Cancel safety: what is under way is given up.

    Raises:
        OSError: a connection broke.
    """
    began = clock() + _SOON
    seen = [Seen(began + after) for after in times]

    async def one(answer: Seen) -> None:
        found = await clients.ask(request, answer.take)
        answer.status, answer.ended = found.status, found.ended

    async with asyncio.TaskGroup() as group:
        for answer in seen:
            wait = answer.intended - clock()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(one(answer))
    return seen
