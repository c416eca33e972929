"""What a sender asks its host for, and when."""

import pytest

from sage.transports.remote.want import Want


def asked(want: Want, least: int, held: int = 0) -> tuple[int, int] | None:
    """The request that leaves when so much is needed."""
    return want.leave(held) if want.ask(least) else None


@pytest.mark.parametrize(
    ("capacity", "held", "least", "request_"),
    [(100, 30, 0, (70, 0)), (100, 30, 5, (70, 5)), (4, 0, 9, (9, 9)), (4, 4, 0, (1, 0)), (None, 0, 0, (16_384, 0))],
)
def test_it_asks_for_what_its_window_lacks_and_at_least_for_what_is_needed(
    capacity: int | None, held: int, least: int, request_: tuple[int, int]
) -> None:
    assert asked(Want(capacity), least, held) == request_


def test_nothing_leaves_that_was_not_asked() -> None:
    want = Want(100)
    assert want.leave(0) is None
    assert asked(want, 0) == (100, 0)
    assert want.leave(0) is None


def test_need_replaces_what_was_asked_before_and_nothing_else_does() -> None:
    want = Want(100)
    assert asked(want, 0) == (100, 0)
    assert asked(want, 0) is None
    assert asked(want, 5) == (100, 5)
    assert asked(want, 0) is None
    assert asked(want, 5) is None
    assert asked(want, 7) == (100, 7)


def test_a_request_that_has_not_left_is_replaced_as_well() -> None:
    want = Want(100)
    assert want.ask(0)
    assert want.ask(3)
    assert not want.ask(0)
    assert want.leave(0) == (100, 3)


def test_it_is_short_when_less_than_half_its_window_is_held_or_hoped_for() -> None:
    want = Want(100)
    assert (want.short(49), want.short(50)) == (True, False)
    asked(want, 0)
    assert not want.short(0)
    want.answered(60)
    assert (want.short(9), want.short(10)) == (True, False)
    want.gave_back()
    assert (want.short(49), want.short(50)) == (True, False)


def test_an_answer_to_need_lets_the_host_forget_what_it_may_not_have_answered() -> None:
    want = Want(100)
    assert not want.answered(10)
    asked(want, 0)
    assert not want.answered(10)
    asked(want, 5)
    assert want.answered(10)
    assert want.asked is None
    assert not want.answered(10)


def test_a_recall_holds_until_more_is_granted_than_was_needed() -> None:
    want = Want(100)
    asked(want, 5)
    want.recall()
    assert (want.recalled, want.asked, want.short(49)) == (True, 5, True)
    want.answered(5)
    assert want.recalled
    asked(want, 5)
    want.answered(6)
    assert not want.recalled


def test_the_host_forgets_by_a_recall_what_was_asked_ahead_of_need() -> None:
    want = Want(100)
    asked(want, 0)
    want.recall()
    assert want.asked is None
    assert asked(want, 0) == (100, 0)


def test_when_those_who_needed_places_have_gone_that_is_told_once() -> None:
    want = Want(100)
    assert not want.need_nothing()
    asked(want, 5)
    assert want.need_nothing()
    assert not want.need_nothing()
    assert want.leave(0) == (100, 0)
    assert not want.need_nothing()
