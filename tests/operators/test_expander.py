"""The inline flat_map of records of calls: a slice of each call in turn, and those that shall pause are set aside."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sage.operators.calls import Call
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator
from sage.operators.expander import Expander


class Lent:
    """The context of an operator."""

    name = "expand"
    position = 3
    budget = 1.0

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.woken = 0
        self.logger = logging.getLogger("tests.expander")

    def wake(self) -> None:
        self.woken += 1


class Side:
    """An expander, and what it has given out."""

    def __init__(self, function: Any, batch_size: int = 4) -> None:
        self.context = Lent(batch_size)
        context: Any = self.context
        self.expander = Expander(context, function)
        self.given: list[tuple[str, Any]] = []

    def add(self, *records: tuple[Call, Any]) -> None:
        for call, _ in records:
            call.live += 1
        self.expander.add(Batch([value for _, value in records], calls=[call for call, _ in records]))

    def round(self) -> list[tuple[str, Any]]:
        """What comes in one round."""
        found: list[tuple[str, Any]] = []
        for batch in self.expander.emissions():
            assert isinstance(batch, Batch)
            assert len(batch) <= self.context.batch_size
            found += [(call.name, value) for call, value in zip(batch.calls or [], batch.values, strict=True)]
        self.given += found
        return found

    def all(self) -> list[tuple[str, Any]]:
        """What comes as long as it wakes."""
        woken = -1
        while woken != self.context.woken:
            woken = self.context.woken
            self.round()
        return self.given


def count(number: int) -> Iterator[int]:
    yield from range(number)


def test_results_are_in_order_and_their_records_let_go() -> None:
    side, call = Side(count), Call("a")
    side.add((call, 3), (call, 0), (call, 2))
    assert side.all() == [("a", value) for value in (0, 1, 2, 0, 1)]
    assert (call.live, side.expander.pending) == (0, False)
    assert call.ended


def test_calls_take_turns() -> None:
    side, long, short = Side(count, batch_size=2), Call("long"), Call("short")
    side.add((long, 50), (short, 1))
    while ("short", 0) not in side.given:
        side.round()
    assert len(side.given) < 10
    assert len(side.all()) == 51


def test_a_round_is_a_turn_for_each_so_that_what_comes_meanwhile_is_not_late() -> None:
    side, long, late = Side(count, batch_size=2), Call("long"), Call("late")
    side.add((long, 1_000))
    assert len(side.round()) <= 2
    assert side.context.woken == 1
    side.add((late, 1))
    assert ("late", 0) in side.round() + side.round()


def test_who_shall_pause_is_set_aside_and_comes_back() -> None:
    side, slow, fast = Side(count), Call("slow", window=1), Call("fast")
    side.add((slow, 20), (fast, 20))
    slow.deliver([0])
    assert side.all() == [("fast", value) for value in range(20)]
    assert side.expander.pending
    slow.unread.clear()
    slow.read(1)
    assert side.context.woken
    assert len(side.all()) == 40
    assert not side.expander.pending


def test_a_crowd_upstream_is_none_of_its_business() -> None:
    side, call = Side(count), Call("a")
    side.add((call, 5))
    call.crowd(3)
    assert len(side.all()) == 5
    side.add((call, 5))
    call.crowd(4)
    assert len(side.all()) == 5


def test_an_error_ends_its_call_only() -> None:
    def bad(number: int) -> Iterator[int]:
        yield number
        if number == 7:
            raise ValueError("seven")
        yield number

    side, failing, other = Side(bad), Call("failing"), Call("other")
    side.add((failing, 1), (failing, 7), (failing, 2), (other, 3))
    assert [value for name, value in side.all() if name == "other"] == [3, 3]
    assert isinstance(failing.error, ValueError)
    assert failing.error.__notes__ == ["in operator 'expand'"]
    assert (failing.live, other.live, side.expander.pending) == (0, 0, False)


def test_a_wrong_program_is_not_the_fault_of_a_call() -> None:
    def wrong(number: int) -> Any:
        raise InvalidOperator("not iterable")

    side, call = Side(wrong), Call("a")
    side.add((call, 1))
    with pytest.raises(InvalidOperator):
        side.round()
    assert not call.dead


@pytest.mark.parametrize("parked", [False, True])
def test_death_closes_the_iterator_and_drops_the_rest(parked: bool) -> None:
    closed: list[int] = []

    def endless(number: int) -> Iterator[int]:
        try:
            while True:
                yield number
        finally:
            closed.append(number)

    side, call = Side(endless), Call("a", window=1)
    side.add((call, 1), (call, 2))
    side.round()
    if parked:
        call.deliver([0])
        side.round()
    call.kill(ValueError())
    assert closed == [1]
    assert (call.live, side.expander.pending) == (0, False)
    given = len(side.given)
    assert len(side.all()) == given


def test_death_in_the_middle_of_a_round() -> None:
    side, call = Side(count, batch_size=2), Call("a")
    side.add((call, 1), (call, 1), (call, 1), (call, 1))
    emissions = iter(side.expander.emissions())
    next(emissions)
    call.kill(ValueError())
    assert list(emissions) == []
    assert (call.live, side.expander.pending) == (0, False)


def test_an_iterator_that_cannot_close_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def bad(number: int) -> Iterator[int]:
        try:
            while True:
                yield number
        finally:
            raise RuntimeError("cannot close")

    side, call = Side(bad), Call("a")
    side.add((call, 1))
    side.round()
    call.kill(ValueError())
    (record,) = caplog.records
    assert "expand" in record.getMessage()


def test_closing_closes_what_is_open() -> None:
    closed: list[int] = []

    def endless(number: int) -> Iterator[int]:
        try:
            while True:
                yield number
        finally:
            closed.append(number)

    side, call = Side(endless), Call("a")
    side.add((call, 1))
    side.round()
    side.expander.close()
    assert closed == [1]
    assert not call._kills
