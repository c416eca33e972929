"""How answers are shown while they come."""

from collections.abc import AsyncGenerator, Sequence
from io import StringIO

import pytest
from rich.console import Console

from sage.demo.interview import Timing, interview
from sage.middleware import Part, Usage


async def shown(pieces: Sequence[str], *, width: int = 40, tokens: int = 7) -> tuple[list[str], Timing]:
    """The lines of an answer, without its question and timing."""

    async def ask(question: str) -> AsyncGenerator[Part, None]:
        for piece in pieces:
            yield Part(piece)
        yield Part(usage=Usage(1, tokens))

    console = Console(file=StringIO(), width=width)
    timing = await interview(ask, "Why?", console)
    assert isinstance(console.file, StringIO)
    _, question, *lines, last = console.file.getvalue().rstrip("\n").split("\n")
    assert (question, last.split()[0]) == ("Why?", "first")
    return lines, timing


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
async def test_lines_break_between_words(cut: int) -> None:
    text = "one two three four five six seven eight nine ten"
    lines, _ = await shown([text[start : start + cut] for start in range(0, len(text), cut)], width=20)
    assert [line.rstrip() for line in lines] == ["  one two three four", "  five six seven", "  eight nine ten"]


async def test_lines_of_the_answer_stay_lines() -> None:
    lines, _ = await shown(["a\n\nb", "\n    indented [bold]"])
    assert lines == ["  a", "", "  b", "      indented [bold]"]


async def test_a_word_longer_than_a_line_is_not_lost() -> None:
    lines, _ = await shown(["x" * 30, " y"], width=20)
    assert [line.strip() for line in lines] == ["x" * 30, "y"]


async def test_times_are_measured_and_tokens_are_those_of_the_server() -> None:
    _, timing = await shown(["", "a b"], tokens=9)
    assert timing.tokens == 9
    assert 0 < timing.first_token <= timing.duration


def test_a_timing_is_shown_in_units() -> None:
    assert str(Timing(0.0124, 0.5, 1_000)) == "first token after 12 ms · 1000 tokens at 2,000 tokens/s"


async def test_an_empty_answer_is_an_empty_line() -> None:
    lines, timing = await shown([], tokens=0)
    assert ([line.strip() for line in lines], timing.first_token) == ([""], 0)
