"""BM25: texts ranked by the words that they share with a question."""

from collections import Counter, defaultdict
from collections.abc import Callable
from heapq import nsmallest
from math import log

from sage.operators.errors import InvalidOperator
from sage.operators.llm.index import Hit
from sage.operators.llm.text import words
from sage.operators.numbers import is_number

__all__ = ["BM25"]

# So few texts are looked at one by one, however common a word is.
_MANY = 1_000


class BM25:
    """An inverted index in memory; see `TextIndex`.

    Scores are those of S. Robertson and H. Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009),
    with ``log(1 + ...)`` as the weight of a word, as Lucene has it, so that no word counts against a text.

    Args:
        k1: how much a word's second occurrence adds; 0 for nothing.
        b: how far long texts are taken for wordy, from 0 (not at all) to 1.
        words: makes words of a text.

    Raises:
        InvalidOperator: a number cannot be.
    """

    def __init__(self, *, k1: float = 1.2, b: float = 0.75, words: Callable[[str], list[str]] = words) -> None:
        if not is_number(k1):
            raise InvalidOperator(f"BM25(k1={k1!r}): write a number, 0 or more")
        if not is_number(b) or b > 1:
            raise InvalidOperator(f"BM25(b={b!r}): write a number from 0 to 1")
        self._k1 = k1
        self._b = b
        self._words = words
        # By word, by text: how often it occurs.
        self._postings: defaultdict[str, dict[str, int]] = defaultdict(dict)
        # By text: its different words, and how many there are in all.
        self._vocabulary: dict[str, tuple[str, ...]] = {}
        self._lengths: dict[str, int] = {}
        self._total = 0
        # What `_norms` has found; `None` when it has to look again.
        self._known_norms: dict[str, float] | None = None

    def add(self, id: str, text: str) -> None:
        """See `TextIndex.add`."""
        if id in self._lengths:
            self.remove(id)
        self._known_norms = None
        found = Counter(self._words(text))
        for word, times in found.items():
            self._postings[word][id] = times
        self._vocabulary[id] = tuple(found)
        self._lengths[id] = found.total()
        self._total += found.total()

    def remove(self, id: str) -> None:
        """See `TextIndex.remove`."""
        self._known_norms = None
        self._total -= self._lengths.pop(id)
        for word in self._vocabulary.pop(id):
            del self._postings[word][id]
            if not self._postings[word]:
                del self._postings[word]

    def search(self, text: str, limit: int) -> list[Hit]:
        """See `TextIndex.search`. Of equal scores, the smaller id comes first.

        In a large index, a word that more than half of the texts have finds none by itself: it only adds to the scores
        of those that have another word of the question, if there is another.
        """
        asked = [texts for word in dict.fromkeys(self._words(text)) if (texts := self._postings.get(word))]
        asked.sort(key=len)
        norms = self._norms()
        scores: dict[str, float] = {}
        for texts in asked:
            weight = log(1 + (len(norms) - len(texts) + 0.5) / (len(texts) + 0.5)) * (self._k1 + 1)
            if scores and len(texts) > max(_MANY, len(norms) / 2):
                found = {id: texts[id] for id in scores if id in texts}
            else:
                found = texts
            for id, times in found.items():
                scores[id] = scores.get(id, 0.0) + weight * times / (times + norms[id])
        return [Hit(id, score) for id, score in nsmallest(limit, scores.items(), key=lambda one: (-one[1], one[0]))]

    def _norms(self) -> dict[str, float]:
        """By text, what its length adds to the denominator; all change with the mean length."""
        if self._known_norms is None:
            mean = self._total / len(self._lengths) if self._total else 1.0
            flat, per_word = self._k1 * (1 - self._b), self._k1 * self._b / mean
            self._known_norms = {id: flat + per_word * length for id, length in self._lengths.items()}
        return self._known_norms

    def __len__(self) -> int:
        return len(self._lengths)
