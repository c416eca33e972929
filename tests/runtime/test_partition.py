"""Partitioners: nothing is lost or made, and order is kept for each target."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.errors import GraphError, RecordFailed
from sage.graph import Broadcast, Custom, Forward, Hash, Partitioning, Rebalance, Rescale
from sage.operators.elements import Batch
from sage.runtime.keys import key_group, subtask_of_group
from sage.runtime.partition import Partitioner, partitioner

SPREADING: list[Partitioning] = [Rebalance(), Rescale(), Hash(), Custom(lambda value, targets: value[0] % targets)]


def numbered(sizes: list[int], keys: list[int]) -> list[Batch[Any]]:
    """Batches of the sizes; values are pairs of a key and a number that tells the order."""
    batches, number = [], 0
    for size in sizes:
        rows = range(number, number + size)
        of_row = [keys[row % len(keys)] for row in rows]
        stamps, calls = [10 * row for row in rows], [f"call {row}" for row in rows]
        batches.append(Batch([(key, row) for key, row in zip(of_row, rows, strict=True)], of_row, stamps, calls))
        number += size
    return batches


def received(spread: Partitioner, batches: list[Batch[Any]]) -> list[list[Batch[Any]]]:
    """The parts that came to each target."""
    targets: list[list[Batch[Any]]] = [[] for _ in range(spread.targets)]
    for batch in batches:
        for target, part in spread.split(batch):
            targets[target].append(part)
    return targets


def rows_of(parts: list[Batch[Any]]) -> list[int]:
    return [row for part in parts for _, row in part.values]


SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=8)
SOME_KEYS = st.lists(st.integers(0, 50), min_size=1, max_size=20)


@given(st.sampled_from(SPREADING), st.integers(1, 6), SIZES, SOME_KEYS)
def test_every_record_goes_to_one_target_in_order(
    partitioning: Partitioning, targets: int, sizes: list[int], keys: list[int]
) -> None:
    arrived = received(partitioner(partitioning, targets), numbered(sizes, keys))
    assert sorted(row for parts in arrived for row in rows_of(parts)) == list(range(sum(sizes)))
    for parts in arrived:
        assert rows_of(parts) == sorted(rows_of(parts))
        assert all(len(part) for part in parts), "an empty part"


@given(st.sampled_from([*SPREADING, Broadcast()]), st.integers(1, 6), SIZES, SOME_KEYS)
def test_columns_stay_with_their_records(
    partitioning: Partitioning, targets: int, sizes: list[int], keys: list[int]
) -> None:
    for parts in received(partitioner(partitioning, targets), numbered(sizes, keys)):
        for part in parts:
            assert part.keys == [key for key, _ in part.values]
            assert part.timestamps == [10 * row for _, row in part.values]
            assert part.calls == [f"call {row}" for _, row in part.values]


@given(st.integers(1, 6), SIZES)
def test_broadcast_gives_everything_to_everyone(targets: int, sizes: list[int]) -> None:
    for parts in received(partitioner(Broadcast(), targets), numbered(sizes, [0])):
        assert rows_of(parts) == list(range(sum(sizes)))


@given(st.sampled_from([Rebalance(), Rescale()]), st.integers(1, 6), SIZES)
def test_taking_turns_goes_on_over_batches(partitioning: Partitioning, targets: int, sizes: list[int]) -> None:
    arrived = received(partitioner(partitioning, targets), numbered(sizes, [0]))
    assert [rows_of(parts) for parts in arrived] == [
        list(range(target, sum(sizes), targets)) for target in range(targets)
    ]


@given(st.integers(1, 6), SIZES, SOME_KEYS)
def test_a_key_goes_to_the_subtask_that_owns_its_group(targets: int, sizes: list[int], keys: list[int]) -> None:
    for target, parts in enumerate(received(partitioner(Hash(), targets), numbered(sizes, keys))):
        assert {subtask_of_group(key_group(key), targets) for part in parts for key, _ in part.values} <= {target}


@given(st.integers(1, 6), SIZES, SOME_KEYS)
def test_a_custom_choice_is_obeyed(targets: int, sizes: list[int], keys: list[int]) -> None:
    chosen = partitioner(Custom(lambda value, parallelism: (value[0] * 7) % parallelism), targets)
    for target, parts in enumerate(received(chosen, numbered(sizes, keys))):
        assert {(key * 7) % targets for part in parts for key, _ in part.values} <= {target}


def test_forward_has_one_target() -> None:
    batch = Batch([1, 2, 3])
    assert list(partitioner(Forward(), 1).split(batch)) == [(0, batch)]


def test_a_batch_for_one_target_is_not_copied() -> None:
    batch = Batch([3, 3, 3], ["k", "k", "k"])
    for partitioning in (Hash(), Custom(lambda value, targets: value % targets)):
        ((_, part),) = partitioner(partitioning, 4).split(batch)
        assert part is batch


@pytest.mark.parametrize("choice", [-1, 3, 99, None, "0", 1.0], ids=repr)
def test_a_choice_that_is_no_subtask_names_the_record(choice: Any) -> None:
    spread = partitioner(Custom(lambda value, targets: choice if value == 7 else 0), 3)
    with pytest.raises(RecordFailed, match="record: 7") as caught:
        spread.split(Batch([1, 7, 2]))
    assert caught.value.value == 7
    assert isinstance(caught.value.__cause__, GraphError)
    assert "return a number from 0 to 2" in str(caught.value.__cause__)


def test_a_choice_is_checked_even_if_there_is_one_subtask_only() -> None:
    with pytest.raises(RecordFailed, match=r"of 1; return a number from 0 to 0"):
        partitioner(Custom(lambda value, targets: 1), 1).split(Batch([1]))


def test_a_choice_that_raises_names_the_record() -> None:
    with pytest.raises(RecordFailed) as caught:
        partitioner(Custom(lambda value, targets: 1 // value), 2).split(Batch([1, 0]))
    assert (caught.value.value, type(caught.value.cause)) == (0, ZeroDivisionError)


def test_records_without_keys_cannot_be_spread_by_key() -> None:
    with pytest.raises(GraphError, match="records without keys"):
        partitioner(Hash(), 2).split(Batch([1]))


@pytest.mark.parametrize("known", [True, False], ids=["behind a known key", "behind a new key"])
@pytest.mark.parametrize("key", [["b"], ("a", ["b"]), object()], ids=["unhashable", "with a part", "unknown type"])
def test_a_key_that_cannot_be_names_the_record(known: bool, key: Any) -> None:
    spread = partitioner(Hash(), 2)
    if known:
        spread.split(Batch(["good"], ["a"]))
    with pytest.raises(RecordFailed) as caught:
        spread.split(Batch(["good", "bad"], ["a", key]))
    assert (caught.value.value, type(caught.value.cause)) == ("bad", GraphError)
    assert "return text, a number" in str(caught.value.cause)


def test_falsy_and_equal_keys() -> None:
    keys = [0, "", False, None, (), 0.0, b""]
    arrived = received(partitioner(Hash(), 64), [Batch(list(enumerate(keys)), keys)] * 2)
    places: dict[int, set[int]] = {}
    for target, parts in enumerate(arrived):
        for row in rows_of([Batch([(None, row) for row, _ in part.values]) for part in parts]):
            places.setdefault(row, set()).add(target)
    assert all(len(where) == 1 for where in places.values())
    assert places[0] == places[2] == places[5]
    assert Counter(len(parts) for parts in arrived)[0] < 64


def test_more_keys_than_are_remembered() -> None:
    spread = partitioner(Hash(), 4)
    keys = list(range(70_000))
    first = [list(part.values) for _, part in spread.split(Batch(keys, keys))]
    again = [list(part.values) for _, part in spread.split(Batch(keys, keys))]
    assert first == again
    assert sum(map(len, first)) == 70_000
