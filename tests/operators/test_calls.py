"""The call itself: its counters, its window, its end, and who is told of what."""

from typing import Any

from hypothesis import given, strategies as st

from sage.operators.calls import Call, alive, entered, left
from sage.operators.elements import Batch


class Told:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, *_: Any) -> None:
        self.times += 1


def inside(records: int, **options: Any) -> Call:
    call = Call("asked", **options)
    call.live = records
    return call


def test_it_ends_with_its_last_record_and_tells_so() -> None:
    call, over, heard = inside(3), Told(), Told()
    call.on_over = over
    call.listen(heard)
    call.thinned(2)
    assert (call.ended, over.times, heard.times) == (False, 0, 0)
    call.thinned(1)
    assert (call.ended, over.times, heard.times) == (True, 1, 1)
    call.kill(ValueError())
    assert (call.dead, call.error) == (False, None)


def test_it_dies_once_and_stops_all_who_work_for_it() -> None:
    call, stop, forgotten, over = inside(1), Told(), Told(), Told()
    call.on_over = over
    call.attach(stop)
    call.attach(forgotten)
    call.detach(forgotten)
    first = ValueError("first")
    call.kill(first)
    call.kill(ValueError("second"))
    assert call.error is first
    assert (stop.times, forgotten.times, over.times) == (1, 0, 1)
    call.detach(stop)  # harmless
    call.thinned(1)
    assert (call.ended, over.times) == (False, 2)


def test_the_dead_take_no_answers() -> None:
    call = inside(1)
    call.deliver([1])
    call.kill(ValueError())
    call.deliver([2])
    assert list(call.unread) == [1]


def test_the_window_is_full_until_half_of_it_is_read() -> None:
    call, room = inside(1, window=4), Told()
    call.deliver([1, 2, 3])
    assert not call.must_wait(0)
    call.deliver([4, 5])
    assert call.must_wait(0)
    call.when_room(room)
    for expected in (0, 0, 1):
        call.unread.popleft()
        call.read(1)
        assert room.times == expected
    assert not call.waits
    assert not call.must_wait(0)
    assert call.taken == 3


def test_a_window_of_one() -> None:
    call = inside(1, window=1)
    call.deliver([1])
    assert call.must_wait(0)
    call.unread.popleft()
    call.read(1)
    assert not call.must_wait(0)


def test_a_crowd_holds_up_those_upstream_only() -> None:
    call, room = inside(1), Told()
    call.crowd(5)
    call.crowd(5)
    assert [call.must_wait(position) for position in (4, 5, 6)] == [True, False, False]
    call.when_room(room)
    call.uncrowd(5)
    assert call.must_wait(4)
    call.uncrowd(5)
    assert not call.waits
    assert room.times == 1


def test_death_wakes_those_who_wait_for_room() -> None:
    call, room = inside(1), Told()
    call.crowd(5)
    call.when_room(room)
    call.kill(ValueError())
    assert room.times == 1


def test_what_is_held_is_given_out_when_no_company_can_come() -> None:
    call, give = inside(5), Told()
    call.hold(2, 3, give)
    assert give.times == 0
    call.thinned(2)
    assert give.times == 0
    call.thinned(1)
    assert give.times == 1
    call.unhold(give)
    call.thinned(2)
    assert (call.held, call.ended) == (0, True)


def test_more_may_be_held_by_the_same() -> None:
    call, give = inside(3), Told()
    call.hold(1, 3, give)
    call.hold(2, 3, give)
    assert (call.held, give.times) == (2, 0)
    call.hold(3, 3, give)
    assert (call.held, give.times) == (3, 1)


def test_what_is_held_upstream_comes_first() -> None:
    call, first, second = inside(4), Told(), Told()
    call.hold(1, 7, second)
    call.hold(2, 3, first)
    call.thinned(1)
    assert (first.times, second.times) == (1, 0)
    call.unhold(first)
    call.thinned(2)
    assert (first.times, second.times) == (1, 1)


def test_a_failure_names_the_operator_once() -> None:
    error = ValueError("bad")
    for call in (inside(1), inside(1)):
        call.fail(error, "divide")
        assert call.error is error
    assert error.__notes__ == ["in operator 'divide'"]


def test_a_cancellation_from_within_is_no_cancellation_of_the_caller() -> None:
    call, stopped = inside(1), KeyboardInterrupt()
    call.fail(stopped, "work")
    assert isinstance(call.error, RuntimeError)
    assert call.error.__cause__ is stopped


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_counting_by_the_column(ins: list[int], outs: list[int]) -> None:
    calls = [inside(1_000) for _ in range(4)]
    if ins:
        entered([calls[number] for number in ins])
    if outs:
        left([calls[number] for number in outs])
    assert [call.live for call in calls] == [1_000 + ins.count(number) - outs.count(number) for number in range(4)]


@given(st.lists(st.booleans(), min_size=1))
def test_records_of_the_dead_are_taken_out(dead: list[bool]) -> None:
    gone, there = inside(len(dead)), inside(len(dead))
    gone.kill(ValueError())
    batch = Batch(list(range(len(dead))), keys=list(dead), calls=[gone if of_gone else there for of_gone in dead])
    rest = alive(batch)
    assert gone.live == len(dead) - sum(dead)
    assert there.live == len(dead)
    if all(dead):
        assert rest is None
    else:
        assert rest is not None
        assert rest.values == [row for row, of_gone in enumerate(dead) if not of_gone]
        assert not any(rest.keys or ())
        assert (rest is batch) == (not any(dead))


def test_it_says_how_it_is() -> None:
    call = inside(2)
    call.deliver([1])
    assert repr(call) == "<Call asked: 2 records inside, 1 unread>"
    call.kill(ValueError())
    assert repr(call) == "<Call asked: dead, 1 unread>"
