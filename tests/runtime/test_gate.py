"""The gate of a task, over real channels in memory."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.runtime.feedback import Probe
from sage.runtime.gate import Gate, Input
from sage.runtime.merging_gate import MergingGate
from sage.runtime.single_gate import SingleGate
from sage.testing import run
from sage.transports import PythonQueueDescriptor, ReceiverClosed, SendChannel


class Inputs:
    """A gate over a number of channels, with their sending ends at hand."""

    def __init__(self, gate: Gate, senders: list[SendChannel[Any]], wakes: list[None]) -> None:
        self.gate = gate
        self.senders = senders
        self.wakes = wakes

    def send(self, sender: int, *elements: Any) -> None:
        for element in elements:
            if isinstance(element, list):
                element = Batch(element)
            assert self.senders[sender].try_send(element, len(element) if isinstance(element, Batch) else 0)

    async def end(self, sender: int) -> None:
        self.send(sender, EndOfStream())
        await self.senders[sender].aclose()

    def all(self) -> list[Any]:
        """All that comes out now; of batches their values."""
        found: list[Any] = []
        while (element := self.gate.next()) is not None:
            found.append(element.values if isinstance(element, Batch) else element)
        return found

    def used(self, sender: int) -> int:
        return self.senders[sender].statistics().used


async def inputs(count: int, *, ports: list[int] | None = None, batch_size: int = 1024, capacity: int = 1024) -> Inputs:
    channels: list[Input] = []
    senders: list[SendChannel[Any]] = []
    for number in range(count):
        described: PythonQueueDescriptor[Any] = PythonQueueDescriptor(capacity, f"channel {number}")
        channels.append(Input(await described.open_receiver(), (ports or [0] * count)[number]))
        senders.append(await described.open_sender())
    wakes: list[None] = []
    return Inputs(made(channels, lambda: wakes.append(None), batch_size), senders, wakes)


def made(channels: list[Input], wake: Callable[[], None], batch_size: int) -> Gate:
    if len(channels) == 1:
        return SingleGate(channels[0], wake, batch_size)
    return MergingGate(channels, wake, batch_size)


async def test_nothing_is_there() -> None:
    merged = await inputs(2)
    assert merged.gate.next() is None
    assert merged.wakes == []


async def test_batches_come_in_order_and_tell_their_port() -> None:
    merged = await inputs(2, ports=[0, 1])
    merged.send(1, ["right"])
    assert merged.wakes == [None]
    merged.send(0, ["left"])
    first = merged.gate.next()
    assert (isinstance(first, Batch) and first.values, merged.gate.port) == (["right"], 1)
    second = merged.gate.next()
    assert (isinstance(second, Batch) and second.values, merged.gate.port) == (["left"], 0)
    assert merged.all() == []


async def test_what_came_before_the_gate_was_made_is_there() -> None:
    described: PythonQueueDescriptor[Any] = PythonQueueDescriptor(10, "early")
    receiver, sender = await described.open_receiver(), await described.open_sender()
    sender.try_send(Batch([1]))
    wakes: list[None] = []
    gate = SingleGate(Input(receiver, 0), lambda: wakes.append(None), 10)
    assert wakes == [None]
    element = gate.next()
    assert isinstance(element, Batch)
    assert element.values == [1]


async def test_small_batches_that_piled_up_are_joined_up_to_the_batch_size() -> None:
    merged = await inputs(1, batch_size=5)
    merged.send(0, [1, 2], [3], [4, 5], [6, 7, 8], [9, 10, 11, 12, 13, 14, 15], [16])
    assert merged.all() == [[1, 2, 3, 4, 5], [6, 7, 8], [9, 10, 11, 12, 13, 14, 15], [16]]


async def test_batches_of_other_columns_are_not_joined() -> None:
    merged = await inputs(1)
    merged.send(0, Batch([1]), Batch([2], ["k"]), Batch([3], ["l"]), Batch([4], None, [5]))
    assert merged.all() == [[1], [2, 3], [4]]


async def test_batches_are_not_joined_across_a_mark() -> None:
    merged = await inputs(1)
    merged.send(0, [1], [2], Watermark(3), [4])
    assert merged.all() == [[1, 2], Watermark(3), [4]]


async def test_joining_leaves_shared_batches_as_they_were() -> None:
    merged = await inputs(2)
    shared = Batch([1])
    for sender in (0, 1):
        merged.send(sender, shared, [2])
    assert merged.all() == [[1, 2], [1, 2]]
    assert shared.values == [1]


async def test_places_are_given_back_with_each_batch_and_not_before() -> None:
    merged = await inputs(1, batch_size=2)
    merged.send(0, [1, 2], [3, 4], [5])
    assert merged.used(0) == 5
    for left in (3, 1, 0):
        assert merged.gate.next() is not None
        assert merged.used(0) == left


async def test_no_input_starves() -> None:
    merged = await inputs(3, batch_size=1)
    for number in range(4):
        merged.send(0, [("busy", number)])
    merged.send(1, ["rare"])
    merged.send(2, ["rarer"])
    out = merged.all()
    assert out.index(["rare"]) <= 2
    assert out.index(["rarer"]) <= 2
    assert [value for (value,) in out if isinstance(value, tuple)] == [("busy", number) for number in range(4)]


async def test_an_input_that_is_always_full_leaves_room_for_the_other() -> None:
    merged = await inputs(2, batch_size=1)
    merged.send(0, [0])
    merged.send(1, ["other"] * 1)
    for number in range(1, 6):
        merged.send(0, [number])
        element = merged.gate.next()
        assert isinstance(element, Batch)
        if element.values == ["other"]:
            return
    raise AssertionError("the other one never came")


async def test_whoever_waits_is_woken_once_for_each_time_that_something_comes() -> None:
    merged = await inputs(1)
    for number in range(3):
        merged.send(0, [number])
        assert len(merged.wakes) == number + 1
        merged.send(0, [number])  # the task has not looked yet
        assert len(merged.wakes) == number + 1
        assert merged.all() == [[number, number]]


async def test_what_comes_while_drained_batches_are_left_is_read_before_the_next_wait() -> None:
    merged = await inputs(1, batch_size=1)
    merged.send(0, [1], [2])
    seen: list[Any] = []
    while (element := merged.gate.next()) is not None:
        assert isinstance(element, Batch)
        seen += element.values
        if element.values == [1]:
            assert merged.gate.ready
            merged.send(0, [3])  # told of while the gate still holds [2]
    assert seen == [1, 2, 3]
    assert merged.wakes == [None, None]
    assert not merged.gate.ready


@pytest.mark.parametrize("count", [1, 2])
async def test_a_single_input_passes_marks_on_in_order_as_several_do(count: int) -> None:
    merged = await inputs(count)
    for sender in range(count):
        merged.send(sender, Watermark(5), Watermark(4), Watermark(5), Barrier(1), Probe(0, 1), Watermark(6))
        await merged.end(sender)
    assert merged.all() == [Watermark(5), Barrier(1), Probe(0, 1), Watermark(6), EndOfStream()]
    assert merged.all() == []


# ---- watermarks


async def test_the_lowest_watermark_counts_and_only_when_all_have_one() -> None:
    merged = await inputs(3)
    merged.send(0, Watermark(10))
    merged.send(1, Watermark(5))
    assert merged.all() == []
    merged.send(2, Watermark(7))
    assert merged.all() == [Watermark(5)]
    merged.send(1, Watermark(20))
    assert merged.all() == [Watermark(7)]
    merged.send(2, Watermark(7), Watermark(6))
    assert merged.all() == []


async def test_a_watermark_never_goes_back() -> None:
    merged = await inputs(2)
    merged.send(0, Watermark(10), Watermark(4))
    merged.send(1, Watermark(10))
    assert merged.all() == [Watermark(10)]
    merged.send(0, Watermark(3))
    merged.send(1, Watermark(30))
    assert merged.all() == []


async def test_an_input_that_has_ended_holds_no_watermark_back() -> None:
    merged = await inputs(2)
    merged.send(0, Watermark(10))
    merged.send(1, Watermark(2))
    assert merged.all() == [Watermark(2)]
    await merged.end(1)
    assert merged.all() == [Watermark(10)]
    await merged.end(0)
    assert merged.all() == [EndOfStream()]


async def test_an_input_that_ends_without_a_watermark() -> None:
    merged = await inputs(2)
    merged.send(0, Watermark(10))
    assert merged.all() == []
    await merged.end(1)
    assert merged.all() == [Watermark(10)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50)), max_size=40))
def test_merged_watermarks_are_promises_that_hold(sent: list[tuple[int, int]]) -> None:
    async def check() -> None:
        merged = await inputs(3)
        highest: dict[int, int] = {}
        out: list[int] = []
        for sender, stamp in sent:
            merged.send(sender, Watermark(stamp))
            highest[sender] = max(stamp, highest.get(sender, 0))
            out += [mark.timestamp for mark in merged.all()]
            if len(highest) == 3:
                assert out[-1] == min(highest.values())
            else:
                assert out == []
        assert out == sorted(set(out))

    run(check())


# ---- barriers


async def test_what_follows_a_barrier_waits_for_the_others() -> None:
    merged = await inputs(2)
    merged.send(0, ["before"], Barrier(1), ["behind"])
    assert merged.all() == [["before"]]
    merged.send(0, ["later"])
    assert merged.all() == []
    merged.send(1, ["other"], Barrier(1), ["other behind"])
    out = merged.all()
    assert out[:2] == [["other"], Barrier(1)]
    assert sorted(value for values in out[2:] for value in values) == ["behind", "later", "other behind"]


async def test_what_waits_behind_a_barrier_keeps_its_places() -> None:
    merged = await inputs(2, capacity=3)
    merged.send(0, Barrier(1), [1, 2, 3])
    assert merged.all() == []
    assert merged.used(0) == 3
    assert not merged.senders[0].try_send(Batch([4]), 1)
    merged.send(1, Barrier(1))
    assert merged.all() == [Barrier(1), [1, 2, 3]]
    assert merged.used(0) == 0


async def test_the_task_is_told_of_what_waited_behind_a_barrier_without_a_wake() -> None:
    merged = await inputs(3)
    for sender in (0, 1):
        merged.send(sender, Barrier(1), [sender])
    assert merged.all() == []
    merged.send(2, [2], Barrier(1))
    out = merged.all()
    assert out[:2] == [[2], Barrier(1)]
    assert sorted(out[2:]) == [[0], [1]]


async def test_an_input_that_has_ended_needs_no_barrier() -> None:
    merged = await inputs(2)
    merged.send(0, Barrier(1), [1])
    assert merged.all() == []
    await merged.end(1)
    assert merged.all() == [Barrier(1), [1]]


async def test_barriers_one_after_the_other() -> None:
    merged = await inputs(2)
    merged.send(0, Barrier(1), ["a"], Barrier(2), ["b"])
    merged.send(1, Barrier(1), ["c"])
    out = merged.all()
    assert out[0] == Barrier(1)
    assert sorted(out[1:]) == [["a"], ["c"]]
    merged.send(1, Barrier(2))
    assert merged.all() == [Barrier(2), ["b"]]


# ---- probes


async def test_a_probe_is_forwarded_when_all_have_delivered_it_and_holds_nothing_up() -> None:
    merged = await inputs(2)
    probe = Probe(3, 1)
    merged.send(0, [1], probe, [2])
    assert merged.all() == [[1], [2]]
    merged.send(1, [3], probe, [4])
    assert merged.all() == [[3], probe, [4]]


async def test_a_probe_waits_for_the_end_of_inputs_from_outside() -> None:
    merged = await inputs(2)
    probe = Probe(0, 1)
    merged.send(1, probe)
    merged.send(0, [1])
    assert merged.all() == [[1]]
    await merged.end(0)
    assert merged.all() == [probe]
    merged.send(1, Probe(0, 2))
    assert merged.all() == [Probe(0, 2)]


# ---- ends


async def test_the_end_comes_once_behind_everything() -> None:
    merged = await inputs(3)
    for sender in range(3):
        merged.send(sender, [sender])
        await merged.end(sender)
    out = merged.all()
    assert sorted(out[:-1]) == [[0], [1], [2]]
    assert out[-1] == EndOfStream()
    assert merged.all() == []


async def test_an_input_that_ended_is_not_read_again() -> None:
    merged = await inputs(2)
    await merged.end(0)
    assert merged.all() == []
    merged.send(1, [1])
    assert merged.all() == [[1]]


async def test_closing_tells_all_senders() -> None:
    merged = await inputs(2)
    merged.send(0, [1])
    await merged.gate.aclose()
    for sender in merged.senders:
        with pytest.raises(ReceiverClosed):
            sender.try_send(Batch([2]))
    await merged.gate.aclose()


ELEMENTS = st.one_of(st.lists(st.integers(), min_size=1, max_size=4), st.just("mark"))


@given(st.lists(st.tuples(st.integers(0, 2), ELEMENTS, st.booleans()), max_size=40), st.integers(1, 6))
def test_nothing_is_lost_or_reordered(sent: list[tuple[int, Any, bool]], batch_size: int) -> None:
    async def check() -> None:
        merged = await inputs(3, batch_size=batch_size)
        expected: dict[int, list[Any]] = {0: [], 1: [], 2: []}
        out: list[Any] = []
        for sender, element, read in sent:
            if element == "mark":
                merged.send(sender, Watermark(1))
            else:
                values = [(sender, value) for value in element]
                expected[sender] += values
                merged.send(sender, values)
            if read:
                out += merged.all()
        for sender in range(3):
            await merged.end(sender)
        out += merged.all()
        assert out[-1] == EndOfStream()
        batches = [element for element in out if isinstance(element, list)]
        assert all(len(batch) <= max(batch_size, 4) for batch in batches)
        for sender, values in expected.items():
            assert [value for batch in batches for value in batch if value[0] == sender] == values
            assert merged.used(sender) == 0

    run(check())
