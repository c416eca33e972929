"""Vectors of texts without a model: for tests, for demonstrations, and to begin with."""

from collections import Counter
from math import log, sqrt
from zlib import crc32

from sage.operators.errors import InvalidOperator
from sage.operators.llm.text import content_words
from sage.operators.numbers import is_count

__all__ = ["hash_embedding"]


def hash_embedding(text: str, dimensions: int = 256) -> list[float]:
    """A vector of length 1 for a text: near to those of texts with the same words and parts of words.

    Words, and groups of three letters at half their weight, are hashed to a place and a sign. The same text has the
    same vector everywhere and always. It knows nothing of meaning. (K. Weinberger et al., Feature Hashing for Large
    Scale Multitask Learning, ICML 2009.)

    Args:
        text: without a word, all numbers are 0.
        dimensions: how many numbers the vector has; with few, different words fall together.

    Raises:
        InvalidOperator: not a number of dimensions.
    """
    if not is_count(dimensions):
        raise InvalidOperator(f"hash_embedding(dimensions={dimensions!r}): write a number, 1 or more")
    vector = [0.0] * dimensions
    for feature, weight in _features(text).items():
        hashed = crc32(feature.encode())
        sign = 1 if hashed & 1 else -1
        vector[(hashed >> 1) % dimensions] += sign * weight
    length = sqrt(sum(number * number for number in vector))
    return [number / length for number in vector] if length else vector


def _features(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for word, times in Counter(content_words(text)).items():
        weights[word] = weights.get(word, 0) + 1 + log(times)
        marked = f"<{word}>"
        for start in range(len(marked) - 2):
            part = f"#{marked[start : start + 3]}"
            weights[part] = weights.get(part, 0) + 0.5 * (1 + log(times)) / sqrt(len(word))
    return weights
