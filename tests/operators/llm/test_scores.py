"""How good answers are."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import (
    exact_match,
    f1,
    mean_reciprocal_rank,
    normalised,
    precision_at,
    recall_at,
    reciprocal_rank,
)


def test_answers_are_compared_without_what_does_not_matter() -> None:
    assert normalised("The  Eiffel-Tower, a tower!") == "eiffeltower tower"
    assert exact_match("The Eiffel Tower.", "eiffel tower") == 1
    assert exact_match("Eiffel", ["eiffel tower", "tower"]) == 0


def test_f1_is_that_of_the_best_truth() -> None:
    # 2 of 3 words are right, and 2 of 4 were given: 2 * 2 / (3 + 4)
    assert f1("big red cat", "red cat sat down") == pytest.approx(4 / 7)
    assert f1("big red cat", ["no", "cat red big"]) == 1
    assert (f1("", "the"), f1("", "x")) == (1, 0)


@given(st.text(), st.text())
def test_f1_is_even_handed_and_between_0_and_1(one: str, other: str) -> None:
    assert f1(one, other) == f1(other, one)
    assert exact_match(one, other) <= f1(one, other) <= 1
    assert f1(one, one) == 1


def test_what_was_found() -> None:
    found, relevant = ["a", "x", "b", "y"], {"a", "b", "c"}
    assert recall_at(3, found, relevant) == pytest.approx(2 / 3)
    assert precision_at(2, found, relevant) == 0.5
    assert precision_at(8, found, relevant) == 0.25
    assert (reciprocal_rank(found, {"b"}), reciprocal_rank(found, {"z"})) == (1 / 3, 0)
    assert mean_reciprocal_rank([(found, {"x"}), (found, {"z"})]) == 0.25


def test_what_has_no_answer_is_refused() -> None:
    asks: list[Callable[[], float]] = [
        lambda: recall_at(1, ["a"], []),
        lambda: precision_at(0, ["a"], ["a"]),
        lambda: mean_reciprocal_rank([]),
        lambda: f1("a", []),
    ]
    for ask in asks:
        with pytest.raises(InvalidOperator):
            ask()
