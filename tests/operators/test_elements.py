"""Batches: columns that stay in step."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.elements import Batch, Watermark, concat

Row = tuple[int, Any, Any, Any]


def rows(batch: Batch[int]) -> list[Row]:
    """A batch row by row, `None` where it has no column."""
    absent = [None] * len(batch)
    return list(zip(batch.values, batch.keys or absent, batch.timestamps or absent, batch.calls or absent, strict=True))


@st.composite
def batches(draw: st.DrawFn, columns: tuple[bool, bool, bool] | None = None, min_size: int = 0) -> Batch[int]:
    """A batch of any length with any columns, or those named."""
    size = draw(st.integers(min_size, 8))
    has = columns if columns is not None else draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))

    def column() -> Any:
        return draw(st.lists(st.integers(1, 99), min_size=size, max_size=size))

    return Batch(column(), *(column() if one else None for one in has))


def kind(batch: Batch[Any]) -> tuple[bool, bool, bool]:
    return batch.keys is not None, batch.timestamps is not None, batch.calls is not None


@given(batches(), st.integers(0, 9), st.integers(0, 9))
def test_a_slice_has_those_rows(batch: Batch[int], start: int, stop: int) -> None:
    cut = batch.slice(start, stop)
    assert rows(cut) == rows(batch)[start:stop]
    assert kind(cut) == kind(batch)


@given(batches(), st.data())
def test_select_keeps_the_rows_of_the_mask(batch: Batch[int], data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch)))
    kept = batch.select(mask)
    assert rows(kept) == [row for row, keep in zip(rows(batch), mask, strict=True) if keep]
    assert kind(kept) == kind(batch)


@given(batches(min_size=1), st.data())
def test_take_has_the_rows_named_in_the_order_named(batch: Batch[int], data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, len(batch) - 1)))
    assert rows(batch.take(numbers)) == [rows(batch)[number] for number in numbers]


@given(batches(), st.integers(1, 5))
def test_strides_part_a_batch(batch: Batch[int], step: int) -> None:
    strides = [batch.stride(start, step) for start in range(step)]
    assert [rows(stride) for stride in strides] == [rows(batch)[start::step] for start in range(step)]


@given(st.data())
def test_concat_joins_rows_in_order(data: st.DataObject) -> None:
    columns = data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    parts = data.draw(st.lists(batches(columns=columns), min_size=1, max_size=4))
    before = [rows(part) for part in parts]
    whole = concat(parts)
    assert rows(whole) == [row for part in before for row in part]
    assert kind(whole) == columns
    assert [rows(part) for part in parts] == before  # they may be shared


@given(batches(), st.integers(0, 9))
def test_what_is_cut_can_be_joined_again(batch: Batch[int], at: int) -> None:
    assert rows(concat([batch.slice(0, at), batch.slice(at, len(batch))])) == rows(batch)


@given(batches())
def test_derived_values_belong_to_the_same_records_without_their_keys(batch: Batch[int]) -> None:
    derived = batch.derive([str(value) for value in batch.values])
    assert derived.values == [str(value) for value in batch.values]
    assert (derived.keys, derived.timestamps, derived.calls) == (None, batch.timestamps, batch.calls)


def test_a_single_batch_is_not_copied() -> None:
    batch = Batch([1])
    assert concat([batch]) is batch


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (Batch([1, 2]), "Batch(2 values)"),
        (Batch([1], ["a"], [2], ["c"]), "Batch(1 values, keys, timestamps, calls)"),
    ],
)
def test_its_repr_names_the_columns(batch: Batch[int], text: str) -> None:
    assert repr(batch) == text


def test_marks_are_values() -> None:
    assert Watermark(1) == Watermark(1)
    assert len({Watermark(1), Watermark(1), Watermark(2)}) == 2
