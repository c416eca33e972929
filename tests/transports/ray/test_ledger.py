"""What was taken and not given back."""

import pytest
from hypothesis import given, strategies as st

from sage.transports.ray.ledger import Ledger


def test_an_item_is_done_with_its_last_place() -> None:
    ledger = Ledger(whole=True)
    ledger.take(1, 3)
    ledger.take(2, 1)
    ledger.release(2)
    assert ledger.told() == (0, 0)
    ledger.release(2)
    assert ledger.told() == (2, 4)
    ledger.release(1)
    assert (ledger.told(), ledger.held) == ((1, 1), 0)


def test_places_may_be_told_before_their_item_is_done() -> None:
    ledger = Ledger(whole=False)
    ledger.take(1, 3)
    ledger.release(2)
    assert ledger.told() == (0, 2)
    ledger.release(1)
    assert ledger.told() == (1, 1)


def test_a_mark_is_done_with_what_is_before_it() -> None:
    ledger = Ledger(whole=True)
    ledger.take(1, 0)
    assert ledger.told() == (1, 0)
    ledger.take(1, 2)
    ledger.take(1, 0)
    assert ledger.told() == (0, 0)
    ledger.release(2)
    assert ledger.told() == (2, 2)


def test_more_than_was_taken_cannot_be_released() -> None:
    ledger = Ledger(whole=True)
    ledger.take(2, 2)
    for places in (5, -1):
        with pytest.raises(ValueError, match=f"{places} places are given back, but 4 are taken"):
            ledger.release(places)


@given(
    whole=st.booleans(),
    taken=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()), max_size=20),
    data=st.data(),
)
def test_nothing_is_made_or_lost(whole: bool, taken: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    ledger = Ledger(whole)
    items = places = 0
    told = [0, 0]

    def tell() -> None:
        for which, news in enumerate(ledger.told()):
            told[which] += news

    for count, size, passed_on in taken:
        if passed_on:
            count = 1
            ledger.pass_on(size)
        else:
            ledger.take(count, size)
        items += count
        places += count * size
        ledger.release(data.draw(st.integers(0, ledger.held)))
        tell()
        assert told[1] <= places - ledger.held
        assert told[0] <= items
    ledger.release(ledger.held)
    tell()
    assert told == [items, places]
