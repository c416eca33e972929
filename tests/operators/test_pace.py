"""How many records to work on before looking at the clock."""

from hypothesis import given, strategies as st

from sage.operators.pace import Pace


def test_it_begins_with_one_record_and_grows_while_pieces_are_quick() -> None:
    pace, sizes = Pace(0.001, 100), []
    for _ in range(6):
        sizes.append(pace.size)
        pace.took(pace.size, pace.size * 1e-9)
    assert sizes == [1, 4, 16, 64, 100, 100]


def test_it_stays_when_a_longer_piece_would_not_fit() -> None:
    pace = Pace(0.001, 100)
    pace.took(1, 0.0003)
    assert pace.size == 1


def test_it_shrinks_in_proportion_to_what_was_too_slow() -> None:
    pace = Pace(0.001, 100)
    for _ in range(4):
        pace.took(pace.size, 0)
    pace.took(100, 0.01)
    assert pace.size == 10


def test_a_piece_shorter_than_asked_for_tells_nothing_of_longer_ones() -> None:
    pace = Pace(0.001, 100)
    pace.took(1, 0)
    pace.took(1, 0)
    assert pace.size == 4


@given(st.lists(st.floats(1e-7, 0.1), max_size=30), st.integers(1, 2000))
def test_it_stays_within_its_limits_and_close_to_its_budget(costs: list[float], limit: int) -> None:
    pace = Pace(0.001, limit)
    for cost in costs:
        pace.took(pace.size, pace.size * cost)
        assert 1 <= pace.size <= limit
        assert pace.size == 1 or pace.size * cost <= 0.001 * 1.0001
