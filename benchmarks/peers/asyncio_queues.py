"""Tasks and `asyncio.Queue`, by hand: one task a stage, record by record or in lists of 256."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from benchmarks.async_map import Calls
from benchmarks.chain import add_one, is_even, triple
from benchmarks.event_loops import on_loop
from benchmarks.keyed import Payment, Update, amount, user
from benchmarks.queues import END, Queue

__all__ = ["WAYS"]

T = TypeVar("T")

_CAPACITY = 1024
_LIST = 256

# What a stage does with what it takes from its queue: give what goes into the next one.
Step = Callable[[Any], Iterable[Any]]


async def _source(items: Iterable[Any], outbox: Queue) -> None:
    for item in items:
        await outbox.put(item)
    await outbox.put(END)


async def _stage(step: Step, inbox: Queue, outbox: Queue) -> None:
    while (item := await inbox.get()) is not END:
        for result in step(item):
            await outbox.put(result)
    await outbox.put(END)


async def _sink(deliver: Callable[[Any], Any], inbox: Queue) -> None:
    while (item := await inbox.get()) is not END:
        deliver(item)


def _run(items: Iterable[Any], steps: list[Step], deliver: Callable[[Any], Any], capacity: int) -> None:
    async def program() -> None:
        queues: list[Queue] = [asyncio.Queue(capacity) for _ in range(len(steps) + 1)]
        async with asyncio.TaskGroup() as group:
            group.create_task(_source(items, queues[0]))
            for step, inbox, outbox in zip(steps, queues[:-1], queues[1:], strict=True):
                group.create_task(_stage(step, inbox, outbox))
            group.create_task(_sink(deliver, queues[-1]))

    on_loop(program)


def _lists(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, _LIST)):
        yield some


# ---- chain


def _chain(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    steps: list[Step] = [
        lambda n: (add_one(n),),
        lambda n: (n,) if is_even(n) else (),
        lambda n: (triple(n),),
    ]
    _run(numbers, steps, results.append, _CAPACITY)
    return results


def _chain_in_lists(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    steps: list[Step] = [
        lambda some: (list(map(add_one, some)),),
        lambda some: (list(filter(is_even, some)),),
        lambda some: (list(map(triple, some)),),
    ]

    def deliver(some: list[int]) -> None:
        for number in some:
            results.append(number)  # noqa: PERF402  # the sink is called for each record

    _run(_lists(numbers), steps, deliver, _CAPACITY // _LIST)
    return results


# ---- keyed


class _Totals:
    def __init__(self) -> None:
        self._totals: dict[str, int] = {}

    def update(self, pair: tuple[str, Payment]) -> Update:
        key, payment = pair
        self._totals[key] = total = self._totals.get(key, 0) + amount(payment)
        return key, total


def _keyed(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    totals = _Totals()
    _run(payments, [lambda p: ((user(p), p),), lambda pair: (totals.update(pair),)], updates.append, _CAPACITY)
    return updates


def _keyed_in_lists(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    totals = _Totals()
    steps: list[Step] = [
        lambda some: ([(user(p), p) for p in some],),
        lambda pairs: (list(map(totals.update, pairs)),),
    ]

    def deliver(some: list[Update]) -> None:
        for update in some:
            updates.append(update)  # noqa: PERF402  # the sink is called for each record

    _run(_lists(payments), steps, deliver, _CAPACITY // _LIST)
    return updates


# ---- async map


def _calls_by_workers(work: Calls) -> list[int]:
    """Workers between two queues."""
    results: list[int] = []

    async def worker(inbox: Queue, outbox: Queue) -> None:
        while (number := await inbox.get()) is not END:
            await outbox.put(await work.call(number))
        await inbox.put(END)  # for the next worker

    async def workers(inbox: Queue, outbox: Queue) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(work.concurrency):
                group.create_task(worker(inbox, outbox))
        await outbox.put(END)

    async def program() -> None:
        inbox: Queue = asyncio.Queue(_CAPACITY)
        outbox: Queue = asyncio.Queue(_CAPACITY)
        async with asyncio.TaskGroup() as group:
            group.create_task(_source(work.numbers, inbox))
            group.create_task(workers(inbox, outbox))
            group.create_task(_sink(results.append, outbox))

    on_loop(program)
    return results


def _calls_in_order(work: Calls) -> list[int]:
    """A queue of tasks, as long as the concurrency, whose reader waits for each in turn."""
    results: list[int] = []

    async def program() -> None:
        queue: Queue = asyncio.Queue(work.concurrency - 1)  # the reader holds one more
        async with asyncio.TaskGroup() as group:

            async def start() -> None:
                for number in work.numbers:
                    await queue.put(group.create_task(work.call(number)))
                await queue.put(END)

            group.create_task(start())
            while (task := await queue.get()) is not END:
                results.append(await task)

    on_loop(program)
    return results


WAYS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "chain": {"asyncio queues": _chain, "asyncio queues, lists of 256": _chain_in_lists},
    "keyed": {"asyncio queues": _keyed, "asyncio queues, lists of 256": _keyed_in_lists},
    "async_map ordered": {"asyncio queue of tasks": _calls_in_order},
    "async_map unordered": {"asyncio queues and workers": _calls_by_workers},
}
