"""`multiprocessing.Queue`, which pickles by itself, one item or list at a time."""

from functools import partial
from typing import Any

from benchmarks.event_loops import on_loop
from benchmarks.transports.flow import Flow, give, take
from benchmarks.transports.round_trip import Trips, answer_trips, ask_trips
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port

__all__ = ["queue", "queue_there_and_back"]

NAME = "multiprocessing.Queue"


def queue(flow: Flow) -> Way:
    """One way."""
    return Way(NAME, partial(_get, flow=flow), partial(_put, flow=flow), flow.records)


def queue_there_and_back(trips: Trips) -> Way:
    """There and back."""
    return Way(NAME, partial(_ask, trips=trips), partial(_answer, trips=trips), trips.count)


def _put(port: Port, flow: Flow) -> Figures:
    async def put(item: Any) -> None:
        port.there.put(item)

    return on_loop(partial(give, port, flow, put))


def _get(port: Port, flow: Flow) -> Figures:
    async def get() -> Any:
        return port.there.get()

    return on_loop(partial(take, port, flow, get))


def _ask(port: Port, trips: Trips) -> Figures:
    async def ask(item: Any) -> Any:
        port.back.put(item)
        return port.there.get()

    return on_loop(partial(ask_trips, port, trips, ask))


def _answer(port: Port, trips: Trips) -> Figures:
    async def get() -> Any:
        return port.back.get()

    async def put(item: Any) -> None:
        port.there.put(item)

    return on_loop(partial(answer_trips, port, trips, get, put))
