"""A source of ticks."""

import asyncio
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, ClassVar

from sage.operators.errors import InvalidOperator
from sage.operators.numbers import is_count, is_number
from sage.operators.source import Outlet, PushReader, Source, SourceLogic

__all__ = ["Ticker"]


@dataclass(frozen=True)
class Ticker(Source[int]):
    """0, 1, 2 and so on, the first at once.

    A tick that could not go out in time, for want of room, goes out late: none is left out.

    Args:
        interval: seconds (a program may write a timedelta) from one tick to the next, by the event loop's clock. The
            n-th is due n intervals after the first: lateness does not add up.
        count: how many ticks there are; `None` for no end.
    """

    kind: ClassVar[str] = "ticker"

    interval: float
    count: int | None = None

    def __post_init__(self) -> None:
        if not is_number(self.interval, beyond=True):
            raise InvalidOperator(f"ticker: interval={self.interval!r}: write seconds above 0")
        if self.count is not None and not is_count(self.count, 0):
            raise InvalidOperator(f"ticker: count={self.count!r}: write how many ticks there are, or None for no end")

    def build(self) -> SourceLogic[int]:
        """See `Source.build`."""
        return _TickerLogic(self)


class _TickerLogic(SourceLogic[int], PushReader[int]):
    def __init__(self, source: Ticker) -> None:
        self._source = source

    async def open(self, context: Any) -> PushReader[int]:
        return self

    async def run(self, outlet: Outlet[int]) -> None:
        clock = asyncio.get_running_loop().time
        start = clock()
        for tick in islice(count(), self._source.count):
            early = start + tick * self._source.interval - clock()
            if early > 0:
                await asyncio.sleep(early)
            if not outlet.put(tick):
                await outlet.room()
