"""One way through a transport: what is sent, how it is checked, and from when to when it is timed."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice
from typing import Any

from benchmarks.measure import expect
from benchmarks.transports.stage import clock
from benchmarks.transports.worker import Figures, Port

__all__ = ["Arrays", "Flow", "Get", "Lists", "Put", "Record", "Records", "give", "hear", "take"]

Record = dict[str, Any]
Put = Callable[[Any], Awaitable[object]]
Get = Callable[[], Awaitable[Any]]

#: How many records are made; they are sent over and over.
_MADE = 16_384
#: Numbers from here on take five bytes, as all of them shall.
_FIRST = 1_000_000
_IDS = range(_FIRST, _FIRST + _MADE)

_ARRAYS = 16
_ARRAY_BYTES = 1_000_000


@dataclass(frozen=True)
class Flow(ABC):
    """What goes from the far to the near process in one run.

    Args:
        count: how many items are measured.
    """

    count: int

    @property
    def warm_up(self) -> int:
        """How many items go before those that are measured."""
        return 1 + self.count // 10

    @property
    def records(self) -> int:
        """How many records are measured."""
        return self.count

    @abstractmethod
    def items(self) -> Iterator[Any]:
        """What is sent, in order; without an end."""

    @abstractmethod
    async def take(self, get: Get, first: int, count: int) -> None:
        """Take the items with these numbers, each by `get`.

        Raises:
            WrongResult: others came.
        """


@dataclass(frozen=True)
class Records(Flow):
    """Records, one by one.

    Args:
        nbytes: what one takes in msgpack, from 100 to 150.
    """

    nbytes: int = 100

    def items(self) -> Iterator[Record]:
        """See `Flow.items`."""
        return cycle(_records(self.nbytes))

    async def take(self, get: Get, first: int, count: int) -> None:
        """See `Flow.take`."""
        for expected in islice(cycle(_IDS), first, first + count):
            record = await get()
            if record["id"] != expected:
                expect(False, f"record {record['id']} came in the place of {expected}")


@dataclass(frozen=True)
class Lists(Flow):
    """The same, a list at a time; it may arrive cut in other pieces.

    Args:
        nbytes: what one record takes in msgpack.
        length: how many records a list has, a power of two.
    """

    nbytes: int = 100
    length: int = 256

    @property
    def records(self) -> int:
        """See `Flow.records`."""
        return self.count * self.length

    def items(self) -> Iterator[list[Record]]:
        """See `Flow.items`."""
        records = _records(self.nbytes)
        return cycle([records[i : i + self.length] for i in range(0, _MADE, self.length)])

    async def take(self, get: Get, first: int, count: int) -> None:
        """See `Flow.take`."""
        place, end = first * self.length, (first + count) * self.length
        while place < end:
            place = self.check(await get(), place)
        expect(place == end, f"{place - end} records too many came")

    def check(self, some: list[Record], place: int) -> int:
        """Check records that should be those from `place` on, and return where they end.

        Raises:
            WrongResult: they are others.
        """
        for index in (0, len(some) - 1):
            found, expected = some[index]["id"], _IDS[(place + index) % _MADE]
            expect(found == expected, f"record {found} came in the place of {expected}")
        return place + len(some)


@dataclass(frozen=True)
class Arrays(Flow):
    """Arrays of a megabyte, one by one."""

    def items(self) -> Iterator[Any]:
        """See `Flow.items`."""
        return cycle(_arrays())

    async def take(self, get: Get, first: int, count: int) -> None:
        """See `Flow.take`."""
        for number in range(first, first + count):
            array = await get()
            expected = number % _ARRAYS
            right = array.nbytes == _ARRAY_BYTES and array[0] == expected and array[-1] == expected
            expect(right, f"array {number} is not the one that was sent")
            del array  # its place is free before the next one is waited for


@lru_cache
def _records(nbytes: int) -> list[Record]:
    """The text makes up for what msgpack needs for the rest. Each has its own: pickle sends the same one only once."""
    width = nbytes - (31 if nbytes < 288 else 32)
    return [{"id": n, "user": f"user-{n % 1000:04d}", "text": str(n).ljust(width, "x")} for n in _IDS]


@lru_cache
def _arrays() -> list[Any]:
    import numpy

    return [numpy.full(_ARRAY_BYTES // 4, number, dtype="float32") for number in range(_ARRAYS)]


async def give(port: Port, flow: Flow, put: Put) -> Figures:
    """The far part: put everything, and return once it has arrived.

    Cancel safety: what was put stays put.
    """
    items = flow.items()
    for item in islice(items, flow.warm_up):
        await put(item)
    await hear(port)
    began, cpu = clock(), time.process_time()
    for item in islice(items, flow.count):
        await put(item)
    await hear(port)
    return {"began": began, "put_cpu": time.process_time() - cpu}


async def take(port: Port, flow: Flow, get: Get) -> Figures:
    """The near part: take everything.

    Cancel safety: what was taken is gone.

    Raises:
        WrongResult: something else came than was put.
    """
    await flow.take(get, 0, flow.warm_up)
    port.tell("warm")
    cpu = time.process_time()
    await flow.take(get, flow.warm_up, flow.count)
    figures = {"ended": clock(), "get_cpu": time.process_time() - cpu}
    port.tell("arrived")
    return figures


async def hear(port: Port) -> Any:
    """Wait for what the other part says, without holding up this one's event loop.

    Cancel safety: when cancelled, it may be lost.
    """
    return await asyncio.to_thread(port.hear)
