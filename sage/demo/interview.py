"""Questions and answers on a terminal, as they come, and how long they took."""

import re
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter

from rich.console import Console
from rich.text import Text

from sage.demo.asking import Ask
from sage.middleware import Part

__all__ = ["QUESTIONS", "Timing", "interview"]

#: The answer to the first is in a docstring that is to be found; the second names it; the third is about the language.
QUESTIONS = (
    "How can I submit a coroutine to an event loop from another thread?",
    "What does functools.lru_cache do when maxsize is None?",
    "When is the else clause of a for loop executed?",
)

_INDENT = "  "
_PIECES = re.compile(r"\n|[^\S\n]+|\S+")


@dataclass(frozen=True, slots=True)
class Timing:
    """How an answer came.

    Attributes:
        first_token: seconds from the question to the first text.
        duration: seconds from the question to the end.
        tokens: how many the server has counted.
    """

    first_token: float
    duration: float
    tokens: int

    def __str__(self) -> str:
        rate = self.tokens / self.duration
        return f"first token after {1000 * self.first_token:,.0f} ms · {self.tokens} tokens at {rate:,.0f} tokens/s"


async def interview(ask: Ask, question: str, console: Console) -> Timing:
    """Ask, and show the question, the answer while it comes, and its timing.

    Cancel safety: the request is broken off, and the server stops working on it.
    """
    console.print(f"\n{question}", style="bold", markup=False, highlight=False)
    writer = _Writer(console)
    asked, first, tokens = perf_counter(), 0.0, 0
    async with aclosing(ask(question)) as parts:
        async for part in parts:
            first = first or (perf_counter() - asked if part.text else 0.0)
            tokens = _counted(part, tokens)
            writer.write(part.text)
    timing = Timing(first, perf_counter() - asked, tokens)
    writer.end()
    console.print(Text(f"{_INDENT}{timing}", style="dim"), no_wrap=True, overflow="ellipsis")
    return timing


def _counted(part: Part, tokens: int) -> int:
    return tokens if part.usage is None else part.usage.completion_tokens


class _Writer:
    """Writes text that comes in pieces, and breaks its lines between words.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._column = 0
        # The end of what came: perhaps half a word.
        self._waiting = ""

    def write(self, text: str) -> None:
        """Write all whole words."""
        *pieces, self._waiting = _PIECES.findall(self._waiting + text) or [""]
        for piece in pieces:
            self._write(piece)

    def end(self) -> None:
        """Write the rest, and end the line."""
        self._write(self._waiting)
        self._out("\n")

    def _write(self, piece: str) -> None:
        too_wide = self._column + len(piece) > self._console.width - len(_INDENT)
        if piece == "\n" or (too_wide and self._column):
            self._out("\n")
            self._column = 0
        if piece == "\n" or (too_wide and piece.isspace()):
            return
        self._out(piece if self._column else _INDENT + piece)
        self._column += len(piece)

    def _out(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)
