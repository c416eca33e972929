"""Text as words, tokens and sentences, each with exact offsets."""

import re
from collections.abc import Iterator

__all__ = ["STOP_WORDS", "content_words", "sentences", "token_spans", "words"]

# Of these scripts each character counts by itself, for they are written without spaces.
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")
# A run of letters without an end (base64) must not be one token.
_TOKEN = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]{{1,32}}|[^\w\s]")
# A full stop ends a sentence unless a small letter follows ("e.g. this").
_SENTENCE_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?=\s+[^\sa-z]|\s*$)|[\u3002\uff01\uff1f]+|\n\s*\n|$)")

#: Words that tell nothing about what a text is about.
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "may",
        "me",
        "more",
        "my",
        "no",
        "not",
        "of",
        "on",
        "one",
        "or",
        "our",
        "should",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


def words(text: str) -> list[str]:
    """The words of a text for comparing: case folded, plurals as singulars, ``snake_case`` as two.

    Plurals are taken back by the S-stemmer of D. Harman, How Effective Is Suffixing? (JASIS 42, 1991).
    """
    return [_singular(word) for word in _WORD.findall(text.casefold())]


def content_words(text: str) -> list[str]:
    """The words of a text without `STOP_WORDS`; all of them if it has no others."""
    found = _WORD.findall(text.casefold())
    return [_singular(word) for word in found if word not in STOP_WORDS] or [_singular(word) for word in found]


def token_spans(text: str) -> list[tuple[int, int]]:
    """Where the tokens of a text begin and end: words and single marks, about as many as a model would count."""
    return [match.span() for match in _TOKEN.finditer(text)]


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where the sentences of a text begin and end, without the white space around them.

    A sentence ends at a full stop, a question or an exclamation mark that no small letter follows, and at an empty
    line. Abbreviations before a name ("Dr. Smith") end one, too.
    """
    start = 0
    for match in _SENTENCE_END.finditer(text):
        piece = text[start : match.end()]
        begin = start + len(piece) - len(piece.lstrip())
        end = begin + len(piece.strip())
        if end > begin:
            yield begin, end
        start = match.end()


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]
