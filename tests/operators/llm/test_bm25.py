"""BM25 in memory."""

from typing import Any

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.llm import BM25
from tests.operators.llm.indexes import CheckTextIndex


class TestBM25(CheckTextIndex):
    def make(self) -> BM25:
        return BM25()


def test_scores_are_those_of_the_formula() -> None:
    index = BM25(k1=1.2, b=0.75)
    index.add("1", "red red blue")
    index.add("2", "blue")
    # One of two texts has it: log(1 + 1.5 / 1.5); it occurs twice among 3 words, where 2 is the mean.
    weight, norm = 0.6931471805599453, 1.2 * (0.25 + 0.75 * 3 / 2)
    assert index.search("red", 5)[0].score == pytest.approx(weight * 2 * 2.2 / (2 + norm))


def test_without_k1_only_presence_counts_and_without_b_length_does_not() -> None:
    index = BM25(k1=0, b=0)
    index.add("once", "red and many other words here")
    index.add("thrice", "red red red")
    assert index.search("red", 2)[0].score == index.search("red", 2)[1].score


def test_nothing_is_left_of_what_was_removed() -> None:
    index = BM25()
    for number in range(5):
        index.add(str(number), f"word{number} common")
    for number in range(5):
        index.remove(str(number))
    assert (len(index), index.search("common", 5), dict(index._postings), index._total) == (0, [], {}, 0)


def test_in_a_large_index_common_words_only_add_to_what_rarer_ones_find() -> None:
    index = BM25(words=str.split)
    for number in range(2_000):
        index.add(str(number), f"common word{number} " + "common " * (number % 3))
    rare, alone = index.search("common word7", 5), index.search("common", 5)
    assert [hit.id for hit in rare] == ["7"]
    assert rare[0].score > index.search("word7", 1)[0].score
    assert len(alone) == 5


@pytest.mark.parametrize("options", [{"k1": -1}, {"b": 1.1}, {"b": "x"}])
def test_numbers_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperator, match="write a number"):
        BM25(**options)
