"""Extents of a pool: never two in one place, and no room is lost."""

import pytest
from hypothesis import given, settings, strategies as st

from sage.transports.shm.pool import PAGE, Pool


def test_the_first_room_that_fits_is_taken() -> None:
    pool = Pool(PAGE, 9 * PAGE)
    first, second, third = pool.take(2 * PAGE), pool.take(1), pool.take(PAGE + 1)
    assert (first, second, third) == (PAGE, 3 * PAGE, 4 * PAGE)
    pool.give_back(PAGE)
    assert pool.take(3 * PAGE) == 6 * PAGE
    assert pool.take(2 * PAGE) == PAGE
    assert pool.take(1) is None


def test_what_was_not_taken_cannot_be_given_back() -> None:
    pool = Pool(0, 4 * PAGE)
    pool.take(2 * PAGE)
    pool.give_back(0)
    for start in (0, PAGE):
        with pytest.raises(ValueError, match=f"an extent at {start} is given back, but none is taken there"):
            pool.give_back(start)


def test_a_pool_may_have_no_room_at_all() -> None:
    assert Pool(PAGE, PAGE).take(1) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12 * PAGE)), max_size=60))
def test_extents_never_overlap_and_no_room_is_lost(steps: list[tuple[bool, int]]) -> None:
    pool = Pool(3 * PAGE, 23 * PAGE)
    taken: dict[int, int] = {}
    for give_back, number in steps:
        if give_back and taken:
            start = sorted(taken)[number % len(taken)]
            pool.give_back(start)
            del taken[start]
            continue
        begin = pool.take(number)
        if begin is None:
            pages = -(-number // PAGE)
            edges = [3 * PAGE, *(edge for start in sorted(taken) for edge in (start, taken[start])), 23 * PAGE]
            assert all(edges[i + 1] - edges[i] < pages * PAGE for i in range(0, len(edges), 2))
            continue
        assert begin % PAGE == 0
        assert begin >= 3 * PAGE
        assert begin + number <= 23 * PAGE
        assert all(begin + number <= start or end <= begin for start, end in taken.items())
        taken[begin] = begin + -(-number // PAGE) * PAGE
    for start in taken:
        pool.give_back(start)
    assert pool.take(20 * PAGE) == 3 * PAGE
