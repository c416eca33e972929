"""Asynchronous work on whole batches, one at a time."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from sage.operators.batchwise import BatchwiseLogic
from sage.operators.contract import Logic, Operator
from sage.testing import OperatorHarness


@dataclass(frozen=True)
class Deliver(Operator[Any, Any]):
    """Delivers each batch when the test says so."""

    kind: ClassVar[str] = "deliver"

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    events: list[Any] = field(default_factory=list)

    def build(self, subtask: int, parallelism: int) -> Logic:
        return _DeliverLogic(self)


class _DeliverLogic(BatchwiseLogic):
    def __init__(self, operator: Deliver) -> None:
        super().__init__()
        self._operator = operator

    async def deliver(self, prepared: Any) -> None:
        self._operator.events.append(("begins", prepared.values))
        await self._operator.gate.acquire()
        if "bad" in prepared.values:
            raise ConnectionError("unreachable")
        self._operator.events.append(("ends", prepared.values))


def has_room(op: OperatorHarness) -> bool:
    return op.logic.has_room


def pending(op: OperatorHarness) -> bool:
    return op.logic.pending


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_batches_are_delivered_one_at_a_time_and_in_order() -> None:
    operator = Deliver()
    async with OperatorHarness(operator) as op:
        op.process([1])
        op.process([2])
        await turns()
        assert operator.events == [("begins", [1])]
        operator.gate.release()
        await turns()
        assert operator.events == [("begins", [1]), ("ends", [1]), ("begins", [2])]
        operator.gate.release()
        await op.end()
        assert operator.events[3:] == [("ends", [2])]
        operator.gate.release()
        op.process([3])
        await op.end()
        assert operator.events[4:] == [("begins", [3]), ("ends", [3])]
    assert op.emitted == []


async def test_one_batch_may_wait_beside_the_one_on_its_way() -> None:
    operator = Deliver()
    async with OperatorHarness(operator) as op:
        room: list[bool] = []
        op.wake = lambda: room.append(op.logic.has_room)  # type: ignore[method-assign]  # a test's eye
        assert has_room(op)
        assert not pending(op)
        op.process([1])
        assert not has_room(op)
        await turns()
        assert has_room(op)
        assert room == [True]
        op.process([2])
        assert not has_room(op)
        operator.gate.release()
        await turns()
        assert has_room(op)
        assert pending(op)
        operator.gate.release()
        await turns()
        assert not pending(op)
        assert room == [True, True, True]


async def test_a_delivery_that_fails_is_told_and_what_waits_is_dropped() -> None:
    operator = Deliver(gate=asyncio.Semaphore(5))
    async with OperatorHarness(operator) as op:
        op.process(["good"])
        op.process(["bad"])
        op.process(["late"])
        with pytest.raises(ConnectionError, match="unreachable"):
            await op.settle()
        assert operator.events == [("begins", ["good"]), ("ends", ["good"]), ("begins", ["bad"])]


async def test_closing_waits_for_the_batch_on_its_way_and_drops_the_others() -> None:
    operator = Deliver()
    before = asyncio.all_tasks()
    async with OperatorHarness(operator) as op:
        op.process([1])
        op.process([2])
        await turns()
        asyncio.get_running_loop().call_soon(operator.gate.release)
    assert operator.events == [("begins", [1]), ("ends", [1])]
    assert asyncio.all_tasks() == before


async def test_what_fails_while_it_is_closed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    operator = Deliver()
    with caplog.at_level(logging.ERROR):
        async with OperatorHarness(operator) as op:
            op.process(["bad"])
            await turns()
            asyncio.get_running_loop().call_soon(operator.gate.release)
    assert "deliver: failed while it was closed" in caplog.text
    assert "unreachable" in caplog.text
