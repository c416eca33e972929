"""Who is next: in turn by call, by key and by priority."""

from typing import Any

from hypothesis import given, strategies as st

from sage.operators.calls import Call
from sage.operators.lanes import Lane, Lanes


def lane(name: str = "", **options: Any) -> Lane:
    return Lane(Call(name, **options))


def served(lanes: Lanes) -> list[Any]:
    found = []
    while (record := lanes.take()) is not None:
        found.append(record)
    return found


def test_one_lane_is_served_in_order() -> None:
    lanes = Lanes(10)
    assert not lanes
    plain = Lane(None)
    lanes.add(plain, [1, 2])
    assert lanes
    assert lanes.take() == 1
    lanes.add(plain, [3])
    assert lanes.waiting == 2
    assert served(lanes) == [2, 3]
    assert (bool(lanes), lanes.waiting, plain.queued) == (False, 0, False)


def test_lanes_take_turns() -> None:
    lanes = Lanes(10)
    lanes.add(lane(), ["a1", "a2", "a3", "a4"])
    lanes.add(lane(), ["b1"])
    lanes.add(Lane(None), ["p1", "p2"])
    assert served(lanes) == ["a1", "b1", "p1", "a2", "p2", "a3", "a4"]


def test_keys_get_equal_shares_however_many_calls_they_have() -> None:
    lanes = Lanes(10)
    for number in range(3):
        lanes.add(lane(key="a"), [f"a{number}"] * 2)
    lanes.add(lane(key="b"), ["b0"] * 3)
    assert served(lanes)[:6] == ["a0", "b0", "a1", "b0", "a2", "b0"]


def test_a_higher_priority_goes_first_whenever_it_comes() -> None:
    lanes = Lanes(10)
    lanes.add(lane(), [1, 2])
    lanes.add(lane(priority=-1), [9])
    assert lanes.take() == 1
    lanes.add(lane(priority=3), ["urgent"] * 2)
    assert served(lanes) == ["urgent", "urgent", 2, 9]


def test_a_lane_with_too_many_results_waits_until_it_is_pushed_again() -> None:
    lanes = Lanes(2)
    full, other = lane(), lane()
    lanes.add(full, [1, 2])
    lanes.add(other, ["x"])
    full.held = 2
    assert served(lanes) == ["x"]
    assert (full.queued, lanes.waiting) == (False, 2)
    full.held = 0
    lanes.push(full)
    assert served(lanes) == [1, 2]


def test_a_sole_lane_that_is_full_lets_others_by() -> None:
    lanes = Lanes(1)
    full = lane()
    full.held = 1
    lanes.add(full, [1])
    assert lanes.take() is None
    lanes.add(lane(), ["x"])
    assert served(lanes) == ["x"]


def test_what_is_dropped_is_not_served() -> None:
    lanes = Lanes(10)
    gone = lane()
    lanes.add(gone, [1, 2])
    lanes.add(lane(), ["x"])
    assert lanes.drop(gone) == [1, 2]
    assert lanes.waiting == 1
    assert served(lanes) == ["x"]
    assert not lanes


Asked = st.tuples(st.integers(0, 5), st.integers(1, 4))


@given(st.lists(st.one_of(Asked, st.none()), max_size=40))
def test_nothing_is_lost_or_served_twice_and_each_lane_is_in_order(asked: list[tuple[int, int] | None]) -> None:
    lanes = Lanes(100)
    all_lanes = [lane(priority=number % 2, key=number % 3) for number in range(6)]
    given_in: dict[int, list[Any]] = {number: [] for number in range(6)}
    taken: list[Any] = []
    for ask in asked:
        if ask is None:
            record = lanes.take()
            if record is not None:
                taken.append(record)
            continue
        number, records = ask
        made = [(number, len(given_in[number]) + at) for at in range(records)]
        given_in[number] += made
        lanes.add(all_lanes[number], made)
        assert lanes.waiting == sum(len(one.waiting) for one in all_lanes)
    taken += served(lanes)
    assert {number: [record for record in taken if record[0] == number] for number in range(6)} == given_in
    assert lanes.waiting == 0
    assert not any(one.queued for one in all_lanes)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), min_size=1, max_size=8))
def test_no_key_gets_more_than_one_record_ahead_of_another_that_waits(asked: list[tuple[str, int]]) -> None:
    lanes = Lanes(100)
    left_of: dict[str, int] = dict.fromkeys("abc", 0)
    for key, records in asked:
        lanes.add(lane(key=key), [key] * records)
        left_of[key] += records
    had: dict[str, int] = dict.fromkeys("abc", 0)
    for key in served(lanes):
        waiting = [other for other in "abc" if left_of[other] and other != key]
        assert all(had[key] <= had[other] for other in waiting)
        had[key] += 1
        left_of[key] -= 1
