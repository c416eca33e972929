"""What a synthetic model says: words drawn by a seed, and vectors made of hashes."""

import math
import random
import sys
from array import array
from base64 import b64encode
from collections.abc import Sequence
from hashlib import blake2b
from itertools import cycle

__all__ = ["as_base64", "cut_at_stop", "vector", "words"]

_TEXT = (
    "a able about above after again all also and any are as at be because before being between both but by can "
    "could day did do each end every few first for found from give go good great had has have he her here him his "
    "how if in into is it its just know large last left less like line little long made make many may more most "
    "much must name new no not now number of off old on one only or other our out over own part people place point "
    "right same say see seem set she should show side small so some state still such take tell than that the their "
    "them then there these they thing think this those three through time to too turn two under up use very want "
    "was way we well were what when where which while who will with word work would year you your"
)
# One for each byte, so that a text of any length is drawn in one go.
_WORDS: Sequence[str] = [f" {word}" for word, _ in zip(cycle(_TEXT.split()), range(256), strict=False)]
# Each word of a text adds to this many places of its vector.
_PLACES = 8


def words(seed: str, count: int) -> list[str]:
    """`count` tokens, 1 or more: words, each with a blank before it except the first.

    Equal seeds give equal words; a longer text begins with the shorter.
    """
    # In fours, as they are drawn: another length would change the last of them.
    drawn = [_WORDS[byte] for byte in random.Random(_as_bytes(seed)).randbytes(-(-count // 4) * 4)[:count]]
    return [drawn[0].lstrip(), *drawn[1:]]


def cut_at_stop(tokens: Sequence[str], stops: Sequence[str]) -> tuple[list[str], bool]:
    """The tokens up to the first stop string, the last of them cut, and whether there was one.

    Where the stop is at the very beginning, one empty token remains: a model has to make the stop to see it.
    """
    text = "".join(tokens)
    ends = [end for end in (text.find(stop) for stop in stops) if end >= 0]
    if not ends:
        return list(tokens), False
    left, kept = min(ends), list[str]()
    for token in tokens:
        if left <= 0:
            break
        kept.append(token[:left])
        left -= len(token)
    return kept or [""], True


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on the words of a text only; texts that share words are near each other."""
    values = [0.0] * dimensions
    for word in text.casefold().split() or [""]:
        digest = blake2b(_as_bytes(word), digest_size=3 * _PLACES).digest()
        for place in range(0, len(digest), 3):
            sign = 1.0 if digest[place] & 1 else -1.0
            values[int.from_bytes(digest[place + 1 : place + 3]) % dimensions] += sign
    norm = math.sqrt(sum(value * value for value in values))
    if norm == 0:  # every place was hit as often from above as from below
        return [1.0] + [0.0] * (dimensions - 1)
    return [value / norm for value in values]


def as_base64(values: Sequence[float]) -> str:
    """A vector as the protocol carries it: little-endian 32-bit floats in base64."""
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode()


def _as_bytes(text: str) -> bytes:
    """A text, which may have halves of letters in it: JSON can carry them."""
    return text.encode(errors="surrogatepass")
