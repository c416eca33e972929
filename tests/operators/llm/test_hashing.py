"""Vectors without a model."""

from math import isclose

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import hash_embedding, words


@given(st.text())
def test_they_have_length_1_unless_there_is_no_word(text: str) -> None:
    vector = hash_embedding(text, 512)
    length = sum(number * number for number in vector)
    assert isclose(length, 1) if words(text) else length in (0, 1)


def near(one: str, other: str) -> float:
    return sum(x * y for x, y in zip(hash_embedding(one), hash_embedding(other), strict=True))


def test_texts_with_the_same_words_are_near() -> None:
    assert near("How do I run a task?", "running tasks") > 0.5
    assert near("the event loop", "an EVENT-LOOP!") == pytest.approx(1)
    assert abs(near("event loop", "sqlite database file")) < 0.25


def test_they_are_the_same_everywhere() -> None:
    assert [round(number, 4) for number in hash_embedding("task", 8)] == [
        round(n, 4) for n in hash_embedding("Tasks", 8)
    ]


def test_dimensions_that_cannot_be() -> None:
    with pytest.raises(InvalidOperator, match="dimensions=0"):
        hash_embedding("x", 0)
