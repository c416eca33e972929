"""Delivers each record to a function."""

import asyncio

import pytest

from sage.operators.errors import RecordFailed
from sage.operators.functions import SinkFunction
from sage.operators.policies import DeadLetter, Retry
from sage.operators.sink import Sink
from sage.testing import OperatorHarness


async def test_each_value_is_delivered_in_order_and_nothing_comes_out() -> None:
    found: list[int] = []
    async with OperatorHarness(Sink(found.append)) as op:
        op.process([1, 2])
        op.process([3])
        await op.end()
    assert found == [1, 2, 3]
    assert op.emitted == []


async def test_an_async_sink_gets_one_record_at_a_time_unless_told_otherwise() -> None:
    running: list[int] = []
    most: list[int] = []

    async def deliver(value: int) -> None:
        running.append(value)
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(value)

    async with OperatorHarness(Sink(deliver)) as op:
        op.process(range(5))
        await op.end()
    assert max(most) == 1
    most.clear()
    async with OperatorHarness(Sink(deliver, concurrency=4)) as op:
        op.process(range(5))
        await op.end()
    assert max(most) == 4
    assert op.emitted == []


async def test_a_delivery_that_fails_is_tried_again_then_set_aside() -> None:
    tried: list[int] = []

    def deliver(value: int) -> None:
        tried.append(value)
        if value == 2:
            raise ConnectionError("unreachable")

    async with OperatorHarness(Sink(deliver, on_error=Retry(attempts=2, delay=1, then=DeadLetter()))) as op:
        op.process([1, 2, 3])
        await op.end()
    assert tried == [1, 2, 2, 3]
    assert [letter.value for letter in op.side["dead_letters"]] == [2]


async def test_a_failed_delivery_fails_by_default() -> None:
    def deliver(value: int) -> None:
        raise ConnectionError("unreachable")

    async with OperatorHarness(Sink(deliver)) as op:
        with pytest.raises(RecordFailed, match=r"unreachable.*record: 1"):
            op.process([1])


async def test_a_sink_class_is_closed_after_the_last_delivery() -> None:
    events: list[str] = []

    class Store(SinkFunction[str]):
        async def sink(self, value: str) -> None:
            await asyncio.sleep(0)
            events.append(value)

        async def close(self) -> None:
            events.append("closed")

    async with OperatorHarness(Sink(Store)) as op:
        op.process("ab")
        await op.end()
    assert events == ["a", "b", "closed"]
