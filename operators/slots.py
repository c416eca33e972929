"""What a pool remembers of each record, and of the watermarks between them."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from sage.operators.elements import Batch, Watermark
from sage.operators.lanes import Lane

__all__ = ["Segment", "Segments", "Slot"]


class Segment:
    """The records between two watermarks, of which `left` are not given out whole yet."""

    __slots__ = ("left", "watermark")

    def __init__(self) -> None:
        self.left = 0
        #: What goes out behind them, once it is known.
        self.watermark: Watermark | None = None


class Slot:
    """One record in the pool, and what came of it."""

    __slots__ = (
        "attempts",
        "batch",
        "clock",
        "done",
        "dropped",
        "error",
        "lane",
        "outputs",
        "quota",
        "row",
        "segment",
        "turn",
        "value",
        "worker",
    )

    #: The timeout of the call; only there in a pool that has one.
    clock: asyncio.Timeout
    #: Whose record it is, once it runs; of a call only.
    worker: "asyncio.Task[None]"
    #: Of a generator for a call: the last turn of the loop in which it was given a quota.
    turn: int

    def __init__(self, value: Any, batch: Batch[Any], row: int, segment: Segment, lane: Lane) -> None:
        #: The record, and where it came from.
        self.value = value
        self.batch = batch
        self.row = row
        self.segment = segment
        self.lane = lane
        #: Results not collected yet.
        self.outputs: list[Any] | None = None
        self.done = False
        self.error: BaseException | None = None
        self.attempts = 1
        #: How many results a generator may still make before it asks whether it may go on.
        self.quota = 1
        #: Whether its call died while it ran: nobody wants what comes of it.
        self.dropped = False


class Segments:
    """Watermarks that are held back behind records in flight, and how many records lie before each."""

    def __init__(self) -> None:
        # Oldest first; the last one is open: it takes the records that come.
        self._line: deque[Segment] = deque([Segment()])
        #: How many watermarks are held back.
        self.kept = 0

    @property
    def last(self) -> Segment:
        """Where records that come now belong."""
        return self._line[-1]

    @property
    def pending(self) -> bool:
        """Whether a record is not given out yet, or a watermark."""
        return self.kept > 0 or bool(self._line[0].left)

    @property
    def releases(self) -> bool:
        """Whether a watermark may go out now."""
        return self.kept > 0 and not self._line[0].left

    def keep(self, watermark: Watermark) -> bool:
        """Hold a watermark back behind the records there are; return False, and do not, if there are none."""
        if not self.pending:
            return False
        self._line[-1].watermark = watermark
        self._line.append(Segment())
        self.kept += 1
        return True

    def released(self) -> Iterator[Watermark]:
        """Take the watermarks that may go out now."""
        line = self._line
        while (watermark := line[0].watermark) is not None and not line[0].left:
            line.popleft()
            self.kept -= 1
            yield watermark
