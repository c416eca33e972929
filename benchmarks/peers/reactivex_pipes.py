"""reactivex: callbacks without tasks and without backpressure. Its async map does not keep the order."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import reactivex
from reactivex import operators as ops

from benchmarks.async_map import Calls
from benchmarks.chain import add_one, is_even, triple
from benchmarks.event_loops import on_loop
from benchmarks.keyed import Payment, Update, amount, user

__all__ = ["WAYS"]


def _raise(error: Exception) -> None:
    raise error


def _chain(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    stream = reactivex.from_iterable(numbers).pipe(ops.map(add_one), ops.filter(is_even), ops.map(triple))
    stream.subscribe(results.append, _raise)
    return results


def _keyed(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []

    def add(total: int, value: int) -> int:
        return total + value

    def totals(group: Any) -> Any:
        return group.pipe(ops.map(amount), ops.scan(add), ops.map(lambda total: (group.key, total)))

    stream = reactivex.from_iterable(payments).pipe(ops.group_by(user), ops.flat_map(totals))
    stream.subscribe(updates.append, _raise)
    return updates


def _calls(work: Calls) -> list[int]:
    results: list[int] = []

    def call(number: int) -> Any:
        return reactivex.defer(lambda _: reactivex.from_future(asyncio.ensure_future(work.call(number))))

    async def program() -> None:
        done = asyncio.get_running_loop().create_future()
        stream = reactivex.from_iterable(work.numbers).pipe(ops.map(call), ops.merge(max_concurrent=work.concurrency))
        stream.subscribe(results.append, done.set_exception, lambda: done.set_result(None))
        await done

    on_loop(program)
    return results


WAYS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "chain": {"reactivex": _chain},
    "keyed": {"reactivex": _keyed},
    "async_map unordered": {"reactivex": _calls},
}
