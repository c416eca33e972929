"""Counted messages over a network that loses, repeats, reorders and cuts."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from sage.transports.zmq.stream import Incoming, Outgoing, Sent, Stream
from sage.transports.zmq.wire import COUNTED, Header, Kind, WireError, unpack_header


class Side:
    """One side, and the way that leads from it."""

    def __init__(self) -> None:
        self.way: deque[list[Any]] = deque()
        self.stream = Stream(self.way.append)
        self.posted: list[int] = []
        self.received: list[int] = []

    def post(self) -> None:
        value = len(self.posted)
        self.posted.append(value)
        self.stream.post(Kind.DATA, value, 0, [b"body"], 4)

    def take(self, message: list[Any]) -> None:
        header = unpack_header(message[0])
        if self.stream.receive(header, len(message[1]) if len(message) > 1 else 0) and header.kind >= COUNTED:
            self.received.append(header.a)
        self.stream.acknowledge_soon()


class Network:
    """Two sides and what can happen between them."""

    def __init__(self) -> None:
        self.sides = Side(), Side()

    def happen(self, event: str, near: int) -> None:
        side, other = self.sides[near], self.sides[1 - near]
        way = side.way
        if event == "post":
            side.post()
        elif event == "beat":
            side.stream.note(Kind.HEARTBEAT, near)
        elif event == "cut":
            way.clear()
            other.way.clear()
        elif not way:
            return
        elif event == "deliver":
            other.take(way.popleft())
        elif event == "lose":
            way.popleft()
        elif event == "repeat":
            way.appendleft(way[0])
        elif event == "reorder":
            way.rotate(1)

    def heal(self) -> None:
        """From here on nothing is lost: a few heartbeats and what they lead to."""
        for _ in range(4):
            for side in self.sides:
                side.stream.note(Kind.HEARTBEAT)
            while any(side.way for side in self.sides):
                for near in (0, 1):
                    self.happen("deliver", near)


EVENTS = st.sampled_from(["post"] * 4 + ["deliver"] * 5 + ["lose", "repeat", "reorder", "cut", "beat"])


@given(st.lists(st.tuples(EVENTS, st.integers(0, 1)), max_size=200))
@settings(deadline=None, max_examples=200)
def test_everything_arrives_once_and_in_order(script: list[tuple[str, int]]) -> None:
    network = Network()
    one, other = network.sides
    for event, near in script:
        network.happen(event, near)
        for side, far in ((one, other), (other, one)):
            assert side.received == far.posted[: len(side.received)]
    network.heal()
    for side, far in ((one, other), (other, one)):
        assert side.received == far.posted
        assert side.stream.settled
        assert side.stream.kept_bytes == 0


def test_what_flows_one_way_is_acknowledged_in_time() -> None:
    network = Network()
    one, other = network.sides
    for _ in range(1000):
        network.happen("post", 0)
        network.happen("deliver", 0)
        network.happen("deliver", 1)
        assert one.stream.kept_bytes <= 64 * 4
    assert not other.way


def test_a_gap_is_asked_for_once_and_again_by_a_heartbeat() -> None:
    incoming = Incoming()
    assert incoming.accept(1)
    assert not incoming.accept(3)
    assert incoming.must_ask(3)
    assert not incoming.must_ask(4)
    assert incoming.must_ask(4, again=True)
    assert incoming.accept(2)
    assert not incoming.must_ask(2)
    assert incoming.must_ask(4)


def test_what_is_acknowledged_is_forgotten() -> None:
    outgoing = Outgoing()
    for number in range(1, 4):
        assert outgoing.append(Sent(Kind.DATA, number, 0, (), 10)) == number
    outgoing.forget(2)
    outgoing.forget(1)  # came late
    assert (outgoing.acknowledged, outgoing.nbytes) == (2, 10)
    assert [number for number, _ in outgoing.kept()] == [3]
    with pytest.raises(WireError, match="message 4 is acknowledged, and 3 were sent"):
        outgoing.forget(4)


def test_an_acknowledgement_of_what_was_not_sent_is_refused() -> None:
    stream = Stream(lambda message: None)
    with pytest.raises(WireError):
        stream.receive(Header(Kind.HEARTBEAT, 0, 1))
