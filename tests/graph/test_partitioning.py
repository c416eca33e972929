"""How records are spread: what the descriptions are equal to, and what they are called."""

import copy
import pickle

import pytest

from sage.graph import Auto, Broadcast, Custom, Forward, Hash, Partitioning, Rebalance, Rescale


def first(value: object, parallelism: int) -> int:
    return 0


KINDS = [Auto(), Forward(), Rebalance(), Rescale(), Hash(), Broadcast(), Custom(first)]


@pytest.mark.parametrize("partitioning", KINDS)
def test_one_is_equal_to_its_copies_and_to_no_other_kind(partitioning: Partitioning) -> None:
    for again in (copy.copy(partitioning), pickle.loads(pickle.dumps(partitioning))):
        assert again == partitioning
        assert hash(again) == hash(partitioning)
    assert KINDS.count(partitioning) == 1
    assert partitioning != "hash"


def test_custom_ones_are_equal_if_their_functions_are() -> None:
    assert Custom(first) != Custom(lambda value, parallelism: 0)


def test_names() -> None:
    labels = [partitioning.label for partitioning in KINDS]
    assert labels == ["", "forward", "rebalance", "rescale", "hash", "broadcast", "custom"]
    assert repr(Hash()) == "Hash()"
    assert repr(Custom(first)) == f"Custom({first!r})"
