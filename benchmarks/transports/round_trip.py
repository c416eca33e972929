"""There and back: one record at a time, from the near process to the far one and back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import expect
from benchmarks.transports.flow import Record, Records, hear
from benchmarks.transports.stage import clock
from benchmarks.transports.worker import Figures, Port

__all__ = ["Trips", "answer_trips", "ask_trips"]


@dataclass(frozen=True)
class Trips:
    """How many.

    Args:
        count: round trips that are measured.
    """

    count: int

    @property
    def warm_up(self) -> int:
        """How many go before those that are measured."""
        return 1 + self.count // 10

    @property
    def total(self) -> int:
        """All of them."""
        return self.count + self.warm_up


async def ask_trips(port: Port, trips: Trips, ask: Callable[[Record], Awaitable[Any]]) -> Figures:
    """The near part: what every trip took, in seconds.

    Cancel safety: a trip that is under way is given up.

    Raises:
        WrongResult: an answer is not what was asked with.
    """
    took = []
    for _, record in zip(range(trips.total), Records(trips.total).items(), strict=False):
        began = clock()
        answer = await ask(record)
        took.append(clock() - began)
        expect(answer["id"] == record["id"], f"asked with {record['id']}, answered with {answer['id']}")
    port.tell("done")
    return {"took": took[trips.warm_up :]}


async def answer_trips(
    port: Port, trips: Trips, get: Callable[[], Awaitable[Any]], put: Callable[[Any], Awaitable[object]]
) -> Figures:
    """The far part: give back what comes.

    Cancel safety: what was taken and not given back is lost.
    """
    for _ in range(trips.total):
        await put(await get())
    await hear(port)
    return {}
