"""Queues as users have them: named, cloned, resolved, bounded, waited for, and chosen by name."""

import asyncio
import json
import pickle
from typing import Any

import pytest

from sage.transports import (
    ClosedChannel,
    PythonQueueDescriptor,
    QueueDescriptor,
    ReceiverClosed,
    WouldBlock,
    create_queue,
    get_queue_backend_info,
    resolve_descriptor,
)

KINDS = ["python", "sage", "rpc"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_put_is_got_in_order_within_the_bound(kind: str) -> None:
    async with create_queue(kind, maxsize=2) as queue:
        await queue.open()
        await queue.put("a")
        queue.put_nowait("b")
        assert (queue.qsize(), queue.full(), queue.empty()) == (2, True, False)
        with pytest.raises(WouldBlock):
            queue.put_nowait("c")
        waiting = asyncio.create_task(queue.put("c"))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert await queue.get() == "a"
        await waiting
        assert [await queue.get(), queue.get_nowait()] == ["b", "c"]
        with pytest.raises(WouldBlock):
            queue.get_nowait()


@pytest.mark.parametrize("kind", ["sage", "rpc"])
async def test_a_resolved_descriptor_puts_over_the_wire_and_closing_it_does_not_close_the_queue(kind: str) -> None:
    async with create_queue(kind, maxsize=8) as queue:
        await queue.open()
        description = json.loads(queue.to_json())
        for number in range(3):
            async with resolve_descriptor(description, local=False) as far:
                await far.put(number)
        assert [await queue.get() for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["sage", "rpc"])
async def test_once_its_host_has_closed_it_nothing_more_is_accepted_elsewhere(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sage.transports.shm.host._CLOSING_PATIENCE", 60)  # however slow the machine is
    monkeypatch.setattr("sage.transports.zmq.host._FAREWELL", 60)
    queue = await create_queue(kind, maxsize=8).open()
    far = resolve_descriptor(queue.to_dict(), local=False)
    await far.put("got")
    assert await queue.get() == "got"
    await queue.aclose()
    with pytest.raises(ReceiverClosed):
        await far.put("refused")
    await far.aclose()


async def test_clones_name_the_same_queue_also_before_first_use() -> None:
    queue: PythonQueueDescriptor[int] = PythonQueueDescriptor(4)
    twin = queue.clone()
    assert not queue.is_initialized
    await twin.put(1)
    assert await queue.get() == 1
    other = queue.clone("another")
    await other.put(2)
    assert queue.empty()
    again: QueueDescriptor[Any] = pickle.loads(pickle.dumps(queue))
    assert again == queue
    await again.put(3)
    assert await queue.get() == 3


async def test_getters_are_served_in_order_and_a_cancelled_one_takes_nothing() -> None:
    queue: PythonQueueDescriptor[int] = PythonQueueDescriptor(4)
    getters = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    getters[0].cancel()
    await queue.put(1)
    await queue.put(2)
    assert await asyncio.gather(*getters[1:]) == [1, 2]


async def test_closing_refuses_whoever_waits() -> None:
    queue: PythonQueueDescriptor[int] = PythonQueueDescriptor(4)
    await queue.open()
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    await queue.aclose()
    with pytest.raises(ClosedChannel):
        await getter


@pytest.mark.parametrize(
    ("bad", "kind"),
    [({"queue_type": "nonsense", "queue_id": "q"}, ValueError), (17, TypeError), ({}, ValueError)],
)
def test_what_is_no_description_is_refused(bad: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        resolve_descriptor(bad)


def test_the_backend_is_chosen_by_name_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_QUEUE_BACKEND", "sage")
    assert get_queue_backend_info()["current_backend"] == "sage_queue"
    assert create_queue().queue_type == "sage"
    assert create_queue("rpc_queue").queue_type == "rpc"
    monkeypatch.setenv("SAGE_QUEUE_BACKEND", "nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        create_queue()
