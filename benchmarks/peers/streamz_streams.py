"""streamz: a graph that records are pushed through by calls. Its async map keeps the order, and has no other mode."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import streamz

from benchmarks.async_map import Calls
from benchmarks.chain import add_one, is_even, triple
from benchmarks.event_loops import on_loop
from benchmarks.keyed import Payment, Update, amount, user

__all__ = ["WAYS"]

# Its methods are put on the class as it is imported, where checkers do not see them.
_Stream: Any = streamz.Stream


def _chain(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    source = _Stream()
    source.map(add_one).filter(is_even).map(triple).sink(results.append)
    for number in numbers:
        source.emit(number)
    return results


def _add(totals: dict[str, int], payment: Payment) -> tuple[dict[str, int], Update]:
    key = user(payment)
    totals[key] = total = totals.get(key, 0) + amount(payment)
    return totals, (key, total)


def _keyed(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    source = _Stream()
    source.accumulate(_add, start={}, returns_state=True).sink(updates.append)
    for payment in payments:
        source.emit(payment)
    return updates


def _calls(work: Calls) -> list[int]:
    results: list[int] = []

    async def program() -> None:
        all_arrived = asyncio.Event()

        def deliver(number: int) -> None:
            results.append(number)
            if len(results) == len(work.numbers):
                all_arrived.set()

        source = _Stream(asynchronous=True)
        calls = source.map_async(work.call, parallelism=work.concurrency)
        calls.sink(deliver)
        for number in work.numbers:
            await source.emit(number, asynchronous=True)
        await all_arrived.wait()
        worker = calls.work_task[1]
        calls.stop()
        worker.cancel()  # it waits for a record that never comes
        await asyncio.wait([worker])

    on_loop(program)
    return results


WAYS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "chain": {"streamz": _chain},
    "keyed": {"streamz": _keyed},
    "async_map ordered": {"streamz": _calls},
}
