"""Answers without a model: the sentences of the passages that tell most about the question."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from sage.operators.llm.passages import Found
from sage.operators.llm.text import content_words, sentences

__all__ = ["Citation", "cited_sentences"]

# Of a sentence with more words than this, each further word counts less.
_USUAL_LENGTH = 25
# Two sentences that share more of their words than this say the same.
_SAME = 0.7


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence of a passage.

    Attributes:
        text: the sentence, with white space as single spaces.
        number: which of the passages it is from, counted from 1.
        score: how much it tells about the question.
    """

    text: str
    number: int
    score: float


def cited_sentences(question: str, passages: Sequence[Found], limit: int = 3) -> list[Citation]:
    """The sentences that share the rarest words with a question, in the order in which they stand in the passages.

    A word counts the more, the fewer sentences have it; those of better passages count a little more; what says the
    same as a better sentence is left out.

    Args:
        question: what is asked.
        passages: the best first.
        limit: how many sentences are wanted at most.

    Returns:
        none if no sentence shares a word with the question.
    """
    candidates = _candidates(passages)
    frequency = Counter(word for _, words in candidates for word in words)
    asked = set(content_words(question)) & set(frequency)
    weights = {word: log(1 + len(candidates) / frequency[word]) for word in asked}
    scored = []
    for place, (citation, words) in enumerate(candidates):
        shared = sum(weights[word] for word in asked & words)
        if shared:
            score = shared / max(1, len(words) / _USUAL_LENGTH) / (1 + 0.1 * (citation.number - 1))
            scored.append((Citation(citation.text, citation.number, score), words, place))
    scored.sort(key=lambda one: (-one[0].score, one[2]))
    kept: list[tuple[Citation, frozenset[str], int]] = []
    for one in scored:
        if len(kept) == limit:
            break
        if not any(_alike(one[1], other) for _, other, _ in kept):
            kept.append(one)
    return [citation for citation, _, _ in sorted(kept, key=lambda one: one[2])]


def _candidates(passages: Sequence[Found]) -> list[tuple[Citation, frozenset[str]]]:
    candidates = []
    for number, found in enumerate(passages, 1):
        text = found.passage.text
        for start, end in sentences(text):
            sentence = " ".join(text[start:end].split())
            candidates.append((Citation(sentence, number, 0), frozenset(content_words(sentence))))
    return candidates


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) > _SAME * min(len(one), len(other))
