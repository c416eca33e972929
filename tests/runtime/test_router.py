"""The router of a task, over real channels in memory."""

import asyncio
import logging
from typing import Any

import pytest

from sage.errors import RecordFailed
from sage.graph import Broadcast, Custom, Forward, Hash, Partitioning, Rebalance
from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.runtime.router import Output, Router
from sage.transports import PythonQueueDescriptor, ReceiveChannel


def nobody_waits() -> None:
    """What the router calls to let its task look around; here the test is the task."""


class Edge:
    """An edge with the receiving ends of its channels at hand."""

    def __init__(self, output: Output, receivers: list[ReceiveChannel[Any]]) -> None:
        self.output = output
        self.receivers = receivers

    def arrived(self, receiver: int = 0) -> list[Any]:
        """All that came; of batches their values."""
        channel = self.receivers[receiver]
        elements = channel.drain()
        channel.release(sum(len(element) for element in elements if isinstance(element, Batch)))
        return [element.values if isinstance(element, Batch) else element for element in elements]


async def edge(
    targets: int = 1,
    partitioning: Partitioning | None = None,
    *,
    output: str | None = None,
    loop: int | None = None,
    capacity: int = 4,
) -> Edge:
    senders, receivers = [], []
    for number in range(targets):
        described: PythonQueueDescriptor[Any] = PythonQueueDescriptor(capacity, f"to {number}")
        receivers.append(await described.open_receiver())
        senders.append(await described.open_sender())
    return Edge(Output(senders, partitioning or Forward(), output, loop), list(receivers))


async def test_a_batch_that_fits_is_sent_at_once() -> None:
    only = await edge()
    router = Router("op", [only.output], nobody_waits)
    assert router.offer(Batch([1, 2]))
    assert not router.holds_back
    assert only.arrived() == [[1, 2]]


async def test_what_does_not_fit_is_held_until_there_is_room() -> None:
    only = await edge(capacity=2)
    router = Router("op", [only.output], nobody_waits)
    assert router.offer(Batch([1, 2]))
    assert not router.offer(Batch([3]))
    flushing = asyncio.create_task(router.flush())
    await asyncio.sleep(0)
    assert not flushing.done()
    assert only.arrived() == [[1, 2]]
    await flushing
    assert not router.holds_back
    assert only.arrived() == [[3]]


async def test_a_batch_larger_than_the_channel_enters_an_empty_one() -> None:
    only = await edge(capacity=2)
    router = Router("op", [only.output], nobody_waits)
    assert router.offer(Batch([1, 2, 3]))
    assert only.arrived() == [[1, 2, 3]]


async def test_one_slow_reader_holds_up_the_whole_but_the_others_get_theirs() -> None:
    slow, quick = await edge(capacity=1), await edge(capacity=10)
    router = Router("op", [slow.output, quick.output], nobody_waits)
    assert router.offer(Batch([1]))
    assert not router.offer(Batch([2]))
    assert quick.arrived() == [[1], [2]]
    flushing = asyncio.create_task(router.flush())
    await asyncio.sleep(0)
    assert slow.arrived() == [[1]]
    await flushing
    assert slow.arrived() == [[2]]


async def test_a_flush_that_was_cancelled_keeps_what_was_not_sent() -> None:
    spread = await edge(2, Rebalance(), capacity=1)
    router = Router("op", [spread.output], nobody_waits)
    router.offer(Batch([1, 2]))
    assert not router.offer(Batch([3, 4]))
    flushing = asyncio.create_task(router.flush())
    await asyncio.sleep(0)
    assert spread.arrived(0) == [[1]]
    for _ in range(2):
        await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    assert router.holds_back
    again = asyncio.create_task(router.flush())
    assert spread.arrived(1) == [[2]]
    await again
    assert (spread.arrived(0), spread.arrived(1)) == ([[3]], [[4]])


@pytest.mark.parametrize("turns", range(4))
async def test_a_flush_cancelled_at_any_turn_neither_loses_nor_repeats(turns: int) -> None:
    only = await edge(capacity=1)
    router = Router("op", [only.output], nobody_waits)
    router.offer(Batch([1]))
    router.offer(Batch([2]))
    flushing = asyncio.create_task(router.flush())
    await asyncio.sleep(0)
    out = only.arrived()
    for _ in range(turns):
        await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.wait([flushing])
    out += only.arrived()
    await router.flush()
    out += only.arrived()
    assert out == [[1], [2]]


async def test_every_edge_gets_everything_and_spreads_it_its_own_way() -> None:
    turns, everyone = await edge(2, Rebalance()), await edge(2, Broadcast())
    by_key = await edge(2, Hash())
    router = Router("op", [turns.output, everyone.output, by_key.output], nobody_waits)
    router.offer(Batch([1, 2, 3], ["a", "b", "a"]))
    assert (turns.arrived(0), turns.arrived(1)) == ([[1, 3]], [[2]])
    assert (everyone.arrived(0), everyone.arrived(1)) == ([[1, 2, 3]], [[1, 2, 3]])
    halves = [values for receiver in (0, 1) for batch in by_key.arrived(receiver) for values in batch]
    assert sorted(halves) == [1, 2, 3]


async def test_side_outputs_go_their_own_way() -> None:
    main, side, twin = await edge(), await edge(output="side"), await edge(output="side")
    router = Router("op", [main.output, side.output, twin.output], nobody_waits)
    router.offer(Batch(["main"]))
    router.offer(Batch(["aside"]), "side")
    assert main.arrived() == [["main"]]
    assert side.arrived() == twin.arrived() == [["aside"]]


async def test_an_operator_without_readers_gives_to_nobody() -> None:
    router = Router("op", [], nobody_waits)
    assert router.offer(Batch([1]))
    assert not router.all_closed
    assert router.dropped == 0
    await router.end()


async def test_what_goes_to_an_unread_side_output_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    main = await edge()
    router = Router("op[1]", [main.output], nobody_waits)
    with caplog.at_level(logging.WARNING):
        assert router.offer(Batch(["lost", "too"]), "nobody")
        assert router.offer(Batch(["again"]), "nobody")
    assert router.dropped == 3
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("op[1]: nobody reads side output 'nobody'; dropped 'lost', 'too' and will drop what follows")
    assert main.arrived() == []


async def test_what_cannot_be_shown_is_named_by_its_type(caplog: pytest.LogCaptureFixture) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("not me")

    with caplog.at_level(logging.WARNING):
        assert Router("op", [], nobody_waits).offer(Batch([Shy()]), "nobody")
    assert "dropped <Shy whose repr raised RuntimeError>" in caplog.text


async def test_every_unread_dead_letter_is_told(caplog: pytest.LogCaptureFixture) -> None:
    router = Router("op", [], nobody_waits)
    with caplog.at_level(logging.WARNING):
        router.offer(Batch(["one"]), "dead_letters")
        router.offer(Batch(["two", "three", "four", "five"]), "dead_letters")
    told = [record.getMessage() for record in caplog.records]
    assert told[0].endswith("dropped 'one'")
    assert told[1].endswith("dropped 'two', 'three', 'four' and 1 more")


async def test_a_reader_that_has_had_enough_is_left_out() -> None:
    ended, going_on = await edge(), await edge()
    router = Router("op", [ended.output, going_on.output], nobody_waits)
    await ended.receivers[0].aclose()
    assert router.offer(Batch([1]))
    assert not router.all_closed
    assert going_on.arrived() == [[1]]
    await going_on.receivers[0].aclose()
    assert router.offer(Batch([2]))
    assert router.all_closed


async def test_one_of_several_subtasks_has_had_enough() -> None:
    spread = await edge(2, Rebalance())
    router = Router("op", [spread.output], nobody_waits)
    await spread.receivers[0].aclose()
    router.offer(Batch([1, 2, 3, 4]))
    assert not router.all_closed
    assert spread.arrived(1) == [[2, 4]]
    await spread.receivers[1].aclose()
    router.offer(Batch([5, 6]))
    assert router.all_closed


async def test_a_reader_that_closes_while_its_sender_waits() -> None:
    only = await edge(capacity=1)
    router = Router("op", [only.output], nobody_waits)
    router.offer(Batch([1]))
    router.offer(Batch([2]))
    flushing = asyncio.create_task(router.flush())
    await asyncio.sleep(0)
    await only.receivers[0].aclose()
    await flushing
    assert router.all_closed
    assert not router.holds_back


async def test_the_task_is_woken_when_a_reader_closes() -> None:
    spread, other = await edge(2, Rebalance()), await edge()
    wakes: list[str] = []
    router = Router("op", [spread.output, other.output], lambda: wakes.append("woken"))
    for receiver in (*spread.receivers, *other.receivers):
        assert not router.all_closed
        wakes.clear()
        await receiver.aclose()
        assert wakes, "a task that waits for input would not learn of it"
    assert [router.all_closed] == [True]


async def test_a_closed_reader_is_noticed_by_a_mark() -> None:
    only = await edge()
    router = Router("op", [only.output], nobody_waits)
    await only.receivers[0].aclose()
    router.mark(Watermark(1))
    assert router.all_closed


async def test_marks_travel_behind_records_on_every_channel_also_full_ones() -> None:
    spread, side = await edge(2, Rebalance(), capacity=1), await edge(output="side")
    router = Router("op", [spread.output, side.output], nobody_waits)
    router.offer(Batch([1, 2]))
    router.mark(Barrier(7))
    assert spread.arrived(0) == [[1], Barrier(7)]
    assert spread.arrived(1) == [[2], Barrier(7)]
    assert side.arrived() == [Barrier(7)]


async def test_a_mark_must_not_overtake() -> None:
    only = await edge(capacity=1)
    router = Router("op", [only.output], nobody_waits)
    router.offer(Batch([1]))
    router.offer(Batch([2]))
    with pytest.raises(AssertionError, match="overtake"):
        router.mark(Watermark(1))


async def test_a_mark_of_a_loop_stays_inside() -> None:
    inside, outside = await edge(loop=3), await edge()
    router = Router("op", [inside.output, outside.output], nobody_waits)
    router.mark(Watermark(1), loop=3)
    assert (inside.arrived(), outside.arrived()) == ([Watermark(1)], [])


async def test_the_end_goes_everywhere_once() -> None:
    spread, side = await edge(2, Rebalance()), await edge(output="side")
    router = Router("op", [spread.output, side.output], nobody_waits)
    await router.end()
    await router.end()
    for ended in (spread.receivers[0], spread.receivers[1], side.receivers[0]):
        assert ended.drain() == [EndOfStream()]


async def test_a_choice_is_asked_for_even_with_one_receiver() -> None:
    only = await edge(1, Custom(lambda value, targets: value))
    router = Router("op", [only.output], nobody_waits)
    assert router.offer(Batch([0]))
    with pytest.raises(RecordFailed, match="record: 1"):
        router.offer(Batch([1]))
