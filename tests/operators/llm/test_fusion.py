"""Several rankings into one."""

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.llm import Hit, reciprocal_rank_fusion


def ranking(*ids: str) -> list[Hit]:
    return [Hit(id, 1000.0 - place) for place, id in enumerate(ids)]


def test_what_is_good_in_both_comes_first() -> None:
    fused = reciprocal_rank_fusion([ranking("a", "b", "c"), ranking("x", "b", "a")])
    assert [hit.id for hit in fused] == ["a", "b", "x", "c"]
    assert fused[0].score == pytest.approx(1 / 61 + 1 / 63)


def test_weights_and_limit() -> None:
    fused = reciprocal_rank_fusion([ranking("a"), ranking("b")], 1, weights=[1, 2])
    assert fused == [Hit("b", 2 / 61)]
    assert reciprocal_rank_fusion([]) == []


def test_what_cannot_be() -> None:
    with pytest.raises(InvalidOperator, match="1 weights for 2 rankings"):
        reciprocal_rank_fusion([[], []], weights=[1])
    with pytest.raises(InvalidOperator, match="k=-1"):
        reciprocal_rank_fusion([], k=-1)
