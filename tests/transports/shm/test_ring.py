"""Regions of a ring: never two in one place, and always room when everything is given back."""

from collections import deque

import pytest
from hypothesis import given, settings, strategies as st

from sage.transports.shm.ring import LINE, Ring
from sage.transports.shm.segment import Layout


def test_regions_follow_each_other_at_cache_lines() -> None:
    ring = Ring(10 * LINE)
    assert [ring.take(1), ring.take(LINE), ring.take(LINE + 1)] == [0, LINE, 2 * LINE]


def test_a_region_that_does_not_fit_before_the_end_begins_at_the_start() -> None:
    ring = Ring(4 * LINE)
    assert [ring.take(2 * LINE), ring.take(LINE)] == [0, 2 * LINE]
    ring.give_back(1)
    assert ring.take(2 * LINE) == 0
    assert ring.take(1) is None  # the line at the end was skipped
    ring.give_back(2)
    assert ring.take(LINE) == 0  # an empty ring starts anew


def test_more_than_was_taken_cannot_be_given_back() -> None:
    ring = Ring(4 * LINE)
    ring.take(1)
    for count in (2, -1):
        with pytest.raises(ValueError, match=f"{count} regions are given back, but 1 are taken"):
            ring.give_back(count)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.lists(st.tuples(st.booleans(), st.integers(1, 40 * LINE)), max_size=60))
def test_regions_never_overlap(lines: int, steps: list[tuple[bool, int]]) -> None:
    ring = Ring(lines * LINE)
    taken: deque[range] = deque()
    for give_back, number in steps:
        if give_back:
            count = number % (len(taken) + 1)
            ring.give_back(count)
            for _ in range(count):
                taken.popleft()
            continue
        at = ring.take(number)
        if at is None:
            assert taken or number > ring.size
            continue
        region = range(at, at + number)
        assert at >= 0
        assert region.stop <= ring.size
        assert all(region.stop <= other.start or other.stop <= region.start for other in taken)
        taken.append(region)


@settings(max_examples=50, deadline=None)
@given(st.integers(1 << 18, 1 << 20), st.data())
def test_the_largest_region_always_fits_when_all_is_read(memory: int, data: st.DataObject) -> None:
    """Though the reader does not tell of the last ones that it has read."""
    layout = Layout.of(memory)
    ring = Ring(layout.ring)
    regions = untold = 0
    for length in data.draw(st.lists(st.integers(1, layout.largest_region), max_size=40)):
        assert ring.take(length) is not None
        regions, untold = regions + 1, untold + length
        if untold > layout.untold:
            ring.give_back(regions)
            regions = untold = 0
    assert ring.take(layout.largest_region) is not None
