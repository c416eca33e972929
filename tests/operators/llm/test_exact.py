"""Nearest vectors, exactly."""

import sys

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import ExactIndex, MissingPackage
from tests.operators.llm.indexes import CheckVectorIndex

VECTORS = st.lists(st.tuples(*[st.floats(-10, 10).filter(lambda x: abs(x) > 0.01)] * 3), min_size=1, max_size=40)


class TestExactIndex(CheckVectorIndex):
    def make(self) -> ExactIndex:
        return ExactIndex(2)


@given(vectors=VECTORS, limit=st.integers(1, 50))
def test_they_are_the_nearest(vectors: list[tuple[float, float, float]], limit: int) -> None:
    index = ExactIndex(3)
    index.add([str(number) for number in range(len(vectors))], vectors)
    cosine = [sum(vector) / sum(x * x for x in vector) ** 0.5 / 3**0.5 for vector in vectors]
    found = index.search([1, 1, 1], limit)
    assert len(found) == min(limit, len(vectors))
    assert [hit.score for hit in found] == pytest.approx(sorted(cosine, reverse=True)[:limit], abs=1e-5)


@pytest.mark.parametrize("dimensions", [0, -1, True, "3"])
def test_dimensions_that_cannot_be(dimensions: int) -> None:
    with pytest.raises(InvalidOperator, match="how many numbers"):
        ExactIndex(dimensions)


def test_without_numpy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingPackage, match=r'pip install "sage-streams\[rag\]"'):
        ExactIndex(3)
