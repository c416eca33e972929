"""What a replica in another process tells of the lists that it gathers: its program counts them in its statistics."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from sage.services.batching import Gatherer
from sage.services.statistics import BatchStatistics

__all__ = ["BATCHES", "read_batches", "told_batches"]

#: What asks the replica for that, as a stream; no method of a service has such a name.
BATCHES = "_batches"

# Seconds between two reports. Each holds all that was counted until then, so nothing is lost between them.
_PAUSE = 0.1


async def told_batches(gatherers: Mapping[str, Gatherer[Any, Any]]) -> AsyncGenerator[dict[str, list[Any]], None]:
    """What was counted so far, by method, whenever that has become more; ends at once if nothing is gathered.

    Cancel safety: nothing is lost.
    """
    if not gatherers:
        return
    more = asyncio.Event()
    for gatherer in gatherers.values():
        gatherer.on_dispatch = more.set
    more.set()  # something may have been dispatched before
    while True:
        await more.wait()
        more.clear()
        counted = {name: gatherer.statistics for name, gatherer in gatherers.items()}
        yield {name: [dict(one.sizes), dict(one.reasons)] for name, one in counted.items()}
        await asyncio.sleep(_PAUSE)


def read_batches(told: Mapping[str, list[Any]]) -> dict[str, BatchStatistics]:
    """The same on the other side."""
    return {name: BatchStatistics(Counter(sizes), Counter(reasons)) for name, (sizes, reasons) in told.items()}
