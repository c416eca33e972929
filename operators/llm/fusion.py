"""Several rankings into one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sage.operators.errors import InvalidOperator
from sage.operators.llm.index import Hit
from sage.operators.numbers import is_number

__all__ = ["reciprocal_rank_fusion"]


def reciprocal_rank_fusion(
    rankings: Iterable[Sequence[Hit]],
    limit: int | None = None,
    *,
    k: float = 60,
    weights: Sequence[float] | None = None,
) -> list[Hit]:
    """One ranking of all that was found, by the places it has in each: the scores need not be comparable.

    Each ranking adds ``weight / (k + place)`` to what it holds, places counted from 1. (G. Cormack, C. Clarke and
    S. Büttcher, Reciprocal Rank Fusion Outperforms Condorcet, SIGIR 2009.)

    Args:
        rankings: the best first in each.
        limit: how many are kept; `None` for all.
        k: the greater, the less the first places count above those behind; 0 or more.
        weights: how much each ranking counts, one number for each; by default 1.

    Returns:
        the best first; of equal scores, the smaller id comes first.

    Raises:
        InvalidOperator: `k` cannot be, or there are not as many weights as rankings.
    """
    if not is_number(k):
        raise InvalidOperator(f"reciprocal_rank_fusion(k={k!r}): write a number, 0 or more")
    rankings = list(rankings)
    weights = [1.0] * len(rankings) if weights is None else weights
    if len(weights) != len(rankings):
        raise InvalidOperator(f"reciprocal_rank_fusion: {len(weights)} weights for {len(rankings)} rankings")
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights, strict=True):
        for place, hit in enumerate(ranking, 1):
            scores[hit.id] += weight / (k + place)
    best = sorted(scores.items(), key=lambda one: (-one[1], one[0]))
    return [Hit(id, score) for id, score in best[:limit]]
