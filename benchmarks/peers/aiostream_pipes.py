"""aiostream: operators as async generators, a record at a time. Instead of keys, a map with a dictionary."""

from collections.abc import Callable, Sequence
from typing import Any

import aiostream

from benchmarks.async_map import Calls
from benchmarks.chain import add_one, is_even, triple
from benchmarks.event_loops import on_loop
from benchmarks.keyed import Payment, Update, amount, user

__all__ = ["WAYS"]

# As it is typed, a function of one argument cannot be mapped.
_pipe: Any = aiostream.pipe
_iterate: Any = aiostream.stream.iterate


def _run(flow: Any, deliver: Callable[[Any], None]) -> None:
    async def program() -> None:
        async with flow.stream() as records:
            async for record in records:
                deliver(record)

    on_loop(program)


def _chain(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    flow = _iterate(numbers) | _pipe.map(add_one) | _pipe.filter(is_even) | _pipe.map(triple)
    _run(flow, results.append)
    return results


def _keyed(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    totals: dict[str, int] = {}

    def update(payment: Payment) -> Update:
        key = user(payment)
        totals[key] = total = totals.get(key, 0) + amount(payment)
        return key, total

    _run(_iterate(payments) | _pipe.map(update), updates.append)
    return updates


def _calls(work: Calls) -> list[int]:
    results: list[int] = []
    calls = _pipe.map(work.call, ordered=work.ordered, task_limit=work.concurrency)
    _run(_iterate(work.numbers) | calls, results.append)
    return results


WAYS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "chain": {"aiostream": _chain},
    "keyed": {"aiostream, map with a dict": _keyed},
    "async_map ordered": {"aiostream": _calls},
    "async_map unordered": {"aiostream": _calls},
}
