"""The clock that a test moves by hand."""

import pytest
from hypothesis import given, strategies as st

from sage.clock import Clock
from sage.testing import ManualClock


def test_it_stands_still_until_it_is_moved() -> None:
    clock: Clock = ManualClock(start=100.0)
    assert clock.now() == clock.now() == 100.0


def test_timers_fire_in_order_each_at_its_time() -> None:
    clock = ManualClock()
    seen: list[tuple[str, float]] = []
    for name, when in (("late", 7.0), ("early", 2.0), ("same", 7.0), ("beyond", 10.5)):
        clock.call_at(when, lambda name=name: seen.append((name, clock.now())))  # type: ignore[misc]  # a default
    clock.advance(10)
    assert seen == [("early", 2.0), ("late", 7.0), ("same", 7.0)]
    assert clock.now() == 10.0
    clock.advance(0.5)
    assert seen[-1] == ("beyond", 10.5)


def test_a_time_that_has_passed_is_due_at_the_next_advance_and_time_does_not_go_back() -> None:
    clock = ManualClock(start=10.0)
    seen: list[float] = []
    clock.call_at(3.0, lambda: seen.append(clock.now()))
    assert seen == []
    clock.advance(0)
    assert seen == [10.0]


def test_a_cancelled_timer_does_not_fire() -> None:
    clock = ManualClock()
    seen: list[str] = []
    clock.call_at(1.0, lambda: seen.append("cancelled")).cancel()
    done = clock.call_at(1.0, lambda: seen.append("done"))
    clock.advance(1)
    done.cancel()  # harmless
    clock.advance(1)
    assert seen == ["done"]


def test_a_timer_set_by_a_timer_fires_in_the_same_advance_if_it_is_due() -> None:
    clock = ManualClock()
    seen: list[float] = []

    def tick() -> None:
        seen.append(clock.now())
        clock.call_at(clock.now() + 3, tick)

    clock.call_at(3.0, tick)
    clock.advance(10)
    assert seen == [3.0, 6.0, 9.0]


def test_a_timer_may_let_time_pass() -> None:
    clock = ManualClock()
    seen: list[float] = []
    clock.call_at(1.0, lambda: clock.advance(5))
    clock.call_at(4.0, lambda: seen.append(clock.now()))
    clock.advance(2)
    assert seen == [4.0]
    assert clock.now() == 6.0


def test_time_cannot_be_turned_back() -> None:
    clock = ManualClock(start=5.0)
    with pytest.raises(ValueError, match=r"never goes back.*not -1"):
        clock.advance(-1)
    assert clock.now() == 5.0


def test_an_error_of_a_timer_reaches_the_test() -> None:
    def fails() -> None:
        raise KeyError("one")

    clock = ManualClock()
    clock.call_at(1.0, fails)
    with pytest.raises(KeyError, match="one"):
        clock.advance(2)


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 30)))
def test_what_is_due_has_fired_and_nothing_else(times: list[float], steps: list[float]) -> None:
    clock = ManualClock()
    seen: list[float] = []
    for when in times:
        clock.call_at(when, lambda when=when: seen.append(when))  # type: ignore[misc]  # a default
    for step in steps:
        clock.advance(step)
        assert seen == sorted(when for when in times if when <= clock.now())
