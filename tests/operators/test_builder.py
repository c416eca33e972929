"""Batches made of results that come record by record."""

from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from sage.operators.builder import BatchBuilder
from sage.operators.elements import Batch


def source(size: int, *, timestamps: bool = True, calls: bool = True) -> Batch[int]:
    numbers = list(range(size))
    return Batch(
        numbers, None, [10 * n for n in numbers] if timestamps else None, [f"c{n}" for n in numbers] if calls else None
    )


@given(st.lists(st.integers(0, 4), max_size=8), st.booleans(), st.booleans(), st.integers(1, 5))
def test_results_have_the_columns_of_their_record(counts: list[int], timestamps: bool, calls: bool, limit: int) -> None:
    batch = source(len(counts), timestamps=timestamps, calls=calls)
    builder: BatchBuilder[str] = BatchBuilder()
    for row, count in enumerate(counts):
        builder.add((f"{row}.{n}" for n in range(count)), batch, row)
    assert len(builder) == sum(counts)
    parts = list(builder.batches(limit))
    origins = [row for row, count in enumerate(counts) for _ in range(count)]
    assert [value for part in parts for value in part.values] == [
        f"{row}.{n}" for row, c in enumerate(counts) for n in range(c)
    ]
    assert [stamp for part in parts for stamp in part.timestamps or []] == (
        [10 * row for row in origins] if timestamps else []
    )
    assert [call for part in parts for call in part.calls or []] == ([f"c{row}" for row in origins] if calls else [])
    assert [len(part) for part in parts[:-1]] == [limit] * (len(parts) - 1)
    assert all(0 < len(part) <= limit for part in parts)
    assert len(builder) == 0


def test_what_a_failing_generator_made_before_counts() -> None:
    def failing() -> Iterator[str]:
        yield "a"
        raise ValueError

    builder: BatchBuilder[str] = BatchBuilder()
    with pytest.raises(ValueError):  # noqa: PT011  # the generator's own
        builder.add(failing(), source(2), 1)
    built = builder.build()
    assert (built.values, built.timestamps, built.calls) == (["a"], [10], ["c1"])


def test_only_records_with_the_same_columns_fit_together() -> None:
    builder: BatchBuilder[str] = BatchBuilder()
    with_both, without = source(1), source(1, timestamps=False, calls=False)
    assert builder.accepts(with_both)
    assert builder.accepts(without)
    builder.add(["a"], with_both, 0)
    assert builder.accepts(with_both)
    assert not builder.accepts(source(1, timestamps=False))
    assert not builder.accepts(source(1, calls=False))
    builder.build()
    assert builder.accepts(without)


def test_a_record_without_results_decides_nothing() -> None:
    builder: BatchBuilder[str] = BatchBuilder()
    builder.add([], source(1), 0)
    assert builder.accepts(source(1, calls=False))
    builder.add(["a"], source(1, calls=False), 0)
    built = builder.build()
    assert (built.timestamps, built.calls) == ([0], None)


def test_building_begins_anew() -> None:
    builder: BatchBuilder[str] = BatchBuilder()
    builder.add(["a"], source(1), 0)
    first = builder.build()
    builder.add(["b"], source(1), 0)
    assert (first.values, builder.values) == (["a"], ["b"])
