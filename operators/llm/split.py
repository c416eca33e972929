"""Long texts into passages that a model, or an index, can take."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sage.operators.errors import InvalidOperator
from sage.operators.llm.passages import Document, Passage
from sage.operators.llm.text import sentences, token_spans
from sage.operators.numbers import is_count

__all__ = ["TextSplitter"]

_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")
# How good it is to cut behind a token.
_ANYWHERE, _SENTENCE, _PARAGRAPH = range(3)
_LEVELS = {"token": _ANYWHERE, "sentence": _SENTENCE, "paragraph": _PARAGRAPH}


@dataclass(frozen=True)
class TextSplitter:
    """Cuts documents into passages: ``documents.flat_map(TextSplitter(max_tokens=200, overlap=30))``.

    A passage is as long as it may be, and ends with a paragraph if it can, else with a sentence, else with a token; it
    is at least half as long as it may be where there is that much text. Passages are exact pieces of the text.

    Args:
        max_tokens: how many tokens a passage has at most, at least 1.
        overlap: how many of the last tokens of a passage begin the next one as well, at most half of `max_tokens`; the
            repeated part begins with a sentence if it can.
        by: where passages may end: ``"paragraph"`` (best), ``"sentence"``, or any ``"token"``.
        tokens: where the tokens of a text begin and end, in order; by default words and marks, see `token_spans`. Give
            the offsets of a model's own tokenizer to count as it does.

    Raises:
        InvalidOperator: a value cannot be.
    """

    max_tokens: int = 200
    overlap: int = 0
    by: Literal["paragraph", "sentence", "token"] = "paragraph"
    tokens: Callable[[str], Iterable[tuple[int, int]]] = token_spans

    def __post_init__(self) -> None:
        if not is_count(self.max_tokens):
            raise InvalidOperator(f"TextSplitter(max_tokens={self.max_tokens!r}): write a number of tokens, 1 or more")
        if not is_count(self.overlap, 0) or 2 * self.overlap > self.max_tokens:
            raise InvalidOperator(
                f"TextSplitter(overlap={self.overlap!r}): write a number from 0 to half of max_tokens={self.max_tokens}"
            )
        if self.by not in _LEVELS:
            raise InvalidOperator(f"TextSplitter(by={self.by!r}): write 'paragraph', 'sentence' or 'token'")

    def __call__(self, document: Document | str) -> list[Passage]:
        """The passages of a document, in order; none of one without a token."""
        if isinstance(document, str):
            document = Document(document)
        return [
            Passage(document.text[start:end], document.source, document.title, start, end)
            for start, end in self.spans(document.text)
        ]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the passages of a text begin and end, in characters."""
        tokens = list(self.tokens(text))
        levels = self._levels(text, tokens)
        spans: list[tuple[int, int]] = []
        first = 0
        while first < len(tokens):
            beyond = self._end(levels, first)
            spans.append((tokens[first][0], tokens[beyond - 1][1]))
            first = self._next(levels, first, beyond)
        return spans

    def _levels(self, text: str, tokens: list[tuple[int, int]]) -> list[int]:
        """For each token how good it is to cut behind it."""
        finest = _LEVELS[self.by]
        levels = [_ANYWHERE] * len(tokens)
        if finest >= _SENTENCE:
            starts = [start for start, _ in tokens]
            for _, end in sentences(text):
                levels[bisect_left(starts, end) - 1] = _SENTENCE
        if finest >= _PARAGRAPH:
            for number, ((_, end), (start, _)) in enumerate(pairwise(tokens)):
                if start - end > 1 and _EMPTY_LINE.search(text, end, start):
                    levels[number] = _PARAGRAPH
        return levels

    def _end(self, levels: list[int], first: int) -> int:
        """The token behind the last one of the passage that begins with `first`."""
        beyond = first + self.max_tokens
        if beyond >= len(levels):
            return len(levels)
        least = first + (self.max_tokens + 1) // 2
        return max(range(least, beyond + 1), key=lambda end: (levels[end - 1], end))

    def _next(self, levels: list[int], first: int, beyond: int) -> int:
        """The first token of the passage behind the one from `first` to `beyond`."""
        if beyond == len(levels) or not self.overlap:
            return beyond
        earliest = max(first + 1, beyond - self.overlap)
        return max(range(earliest, beyond), key=lambda start: (levels[start - 1], -start), default=beyond)
