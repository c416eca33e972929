"""How good answers are, and what was found: the usual measures, each from 0 to 1."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from statistics import fmean

from sage.operators.errors import InvalidOperator

__all__ = [
    "exact_match",
    "f1",
    "mean_reciprocal_rank",
    "normalised",
    "precision_at",
    "recall_at",
    "reciprocal_rank",
]

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_MARK = re.compile(r"[^\w\s]")


def normalised(answer: str) -> str:
    """An answer for comparing: lower case, without punctuation, articles and needless space.

    As in the evaluation of SQuAD (P. Rajpurkar et al., 2016).
    """
    return " ".join(_ARTICLE.sub(" ", _MARK.sub("", answer.lower())).split())


def exact_match(answer: str, truths: str | Sequence[str]) -> float:
    """1 if the answer is one of those that are right, once normalised; else 0."""
    return float(any(normalised(answer) == normalised(truth) for truth in _several(truths)))


def f1(answer: str, truths: str | Sequence[str]) -> float:
    """The harmonic mean of precision and recall over words, with the right answer that fits best."""
    return max(_f1(answer, truth) for truth in _several(truths))


def recall_at(k: int, found: Sequence[str], relevant: Collection[str]) -> float:
    """Which share of what is relevant is among the first `k` that were found.

    Raises:
        InvalidOperator: nothing is relevant, so that there is no share of it.
    """
    if not relevant:
        raise InvalidOperator("recall_at: nothing is relevant; leave such questions out")
    return len(set(found[:k]) & set(relevant)) / len(set(relevant))


def precision_at(k: int, found: Sequence[str], relevant: Collection[str]) -> float:
    """Which share of the first `k` that were found is relevant; places that are empty count as not relevant.

    Raises:
        InvalidOperator: `k` is below 1.
    """
    if k < 1:
        raise InvalidOperator(f"precision_at({k}, ...): write how many count, 1 or more")
    return len(set(found[:k]) & set(relevant)) / k


def reciprocal_rank(found: Sequence[str], relevant: Collection[str]) -> float:
    """1 divided by the place, from 1, of the first that is relevant; 0 if none is."""
    return next((1 / place for place, id in enumerate(found, 1) if id in relevant), 0.0)


def mean_reciprocal_rank(questions: Sequence[tuple[Sequence[str], Collection[str]]]) -> float:
    """The mean of `reciprocal_rank` over questions: of each what was found, and what is relevant.

    Raises:
        InvalidOperator: there are no questions.
    """
    if not questions:
        raise InvalidOperator("mean_reciprocal_rank: there are no questions to take the mean over")
    return fmean(reciprocal_rank(found, relevant) for found, relevant in questions)


def _several(truths: str | Sequence[str]) -> Sequence[str]:
    several = [truths] if isinstance(truths, str) else truths
    if not several:
        raise InvalidOperator("an answer is compared with at least one that is right")
    return several


def _f1(answer: str, truth: str) -> float:
    given, right = normalised(answer).split(), normalised(truth).split()
    if not given or not right:
        return float(given == right)
    shared = sum((Counter(given) & Counter(right)).values())
    return 2 * shared / (len(given) + len(right))
