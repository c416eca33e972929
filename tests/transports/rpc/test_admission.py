"""How many calls run and how many wait."""

from functools import partial

import pytest
from hypothesis import given, strategies as st

from sage.transports.rpc.admission import Admission


def test_places_go_to_whoever_waits_first() -> None:
    admission = Admission[str](2, None)
    ran: list[str] = []
    assert admission.try_enter()
    assert admission.try_enter()
    assert not admission.try_enter()
    for name in ("a", "b"):
        assert admission.stand_in_line(name, partial(ran.append, name))
    admission.leave()
    assert ran == ["a"]
    assert (admission.running, admission.waiting) == (2, 1)


def test_the_line_is_bounded() -> None:
    admission = Admission[str](1, 1)
    assert admission.try_enter()
    assert admission.stand_in_line("a", lambda: None)
    assert not admission.stand_in_line("b", lambda: None)


def test_whoever_withdraws_is_not_started() -> None:
    admission = Admission[str](1, None)
    ran: list[str] = []
    assert admission.try_enter()
    admission.stand_in_line("a", partial(ran.append, "a"))
    admission.stand_in_line("b", partial(ran.append, "b"))
    assert admission.withdraw("a")
    admission.leave()
    assert ran == ["b"]
    assert not admission.withdraw("b")


def test_whoever_steps_back_in_goes_first() -> None:
    admission = Admission[str](1, None)
    ran: list[str] = []
    assert admission.try_enter()
    admission.stand_in_line("new", partial(ran.append, "new"))
    admission.step_back("old", partial(ran.append, "old"))
    admission.leave()
    assert ran == ["old"]


def test_a_start_that_is_over_at_once_does_not_recurse() -> None:
    admission = Admission[int](1, None)
    assert admission.try_enter()
    for number in range(100_000):
        admission.stand_in_line(number, admission.leave)
    admission.leave()
    assert (admission.running, admission.waiting) == (0, 0)


@pytest.mark.parametrize(("most", "queue"), [(0, None), (1, -1)])
def test_bounds_that_cannot_be_are_refused(most: int, queue: int | None) -> None:
    with pytest.raises(ValueError, match="max_"):
        Admission[int](most, queue)


@given(st.integers(1, 3), st.integers(0, 3), st.lists(st.sampled_from(["come", "leave", "aside", "back", "withdraw"])))
def test_places_are_never_overrun_and_never_idle(most: int, longest: int, steps: list[str]) -> None:
    admission = Admission[int](most, longest)
    running: list[int] = []
    aside: list[int] = []
    for number, step in enumerate(steps):
        if step == "come":
            if admission.try_enter():
                running.append(number)
            else:
                admission.stand_in_line(number, partial(running.append, number))
        elif step == "leave" and running:
            running.pop()
            admission.leave()
        elif step == "aside" and running:
            aside.append(running.pop())
            admission.leave()
        elif step == "back" and aside:
            admission.step_back(aside[-1], partial(running.append, aside.pop()))
        elif step == "withdraw":
            admission.withdraw(number - 1)
        assert admission.running == len(running) <= most
        assert admission.waiting <= longest
        assert admission.running == most or not admission.waiting
