"""bytewax: a dataflow on a Rust engine; one worker. It has no async map."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.chain import add_one, is_even, triple
from benchmarks.keyed import Payment, Update, amount, user

__all__ = ["WAYS"]


def _chain(numbers: Sequence[int], *, batch_size: int) -> list[int]:
    results: list[int] = []
    flow = Dataflow("chain")
    stream = op.input("numbers", flow, TestingSource(numbers, batch_size))
    stream = op.map("add one", stream, add_one)
    stream = op.filter("even", stream, is_even)
    stream = op.map("triple", stream, triple)
    op.output("results", stream, TestingSink(results))
    run_main(flow)
    return results


def _add(total: int | None, value: int) -> tuple[int, int]:
    now = (total or 0) + value
    return now, now


def _keyed(payments: Sequence[Payment], *, batch_size: int) -> list[Update]:
    updates: list[Update] = []
    flow = Dataflow("keyed")
    stream = op.input("payments", flow, TestingSource(payments, batch_size))
    keyed = op.key_on("user", stream, user)
    amounts = op.map_value("amount", keyed, amount)
    totals = op.stateful_map("sum", amounts, _add)
    op.output("updates", totals, TestingSink(updates))
    run_main(flow)
    return updates


def _both(flow: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    return {
        "bytewax, batches of 256": partial(flow, batch_size=256),
        "bytewax, batches of 1": partial(flow, batch_size=1),
    }


WAYS: dict[str, dict[str, Callable[[Any], Any]]] = {"chain": _both(_chain), "keyed": _both(_keyed)}
