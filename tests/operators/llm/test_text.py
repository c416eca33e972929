"""Words, tokens and sentences."""

import itertools

import pytest
from hypothesis import given, strategies as st

from sage.operators.llm import content_words, sentences, token_spans, words


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It is e.g. this. And that", ["It is e.g. this.", "And that"]),
        ("a title\n\nThen text", ["a title", "Then text"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("3.11 is a version. 3.12 too.", ["3.11 is a version.", "3.12 too."]),
        ("你好。再见！", ["你好。", "再见！"]),  # noqa: RUF001  # full width marks on purpose
        ("  \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@given(st.text())
def test_sentences_have_all_that_is_not_space(text: str) -> None:
    assert "".join("".join(said(text)).split()) == "".join(text.split())


@given(st.text())
def test_tokens_are_in_order_and_have_all_that_is_not_space(text: str) -> None:
    spans = token_spans(text)
    assert all(start < end <= following for (start, end), (following, _) in itertools.pairwise(spans))
    assert "".join(text[start:end] for start, end in spans) == "".join(text.split())


def test_words_for_comparing() -> None:
    assert words("Queues, QUEUE: task_groups and boxes; bus, class") == [
        *("queue", "queue", "task", "group", "and", "boxe", "bus", "class")
    ]
    assert words("日本") == ["日", "本"]
    assert content_words("What is the Event Loop?") == ["event", "loop"]
    assert content_words("to be or not to be") == ["to", "be", "or", "not", "to", "be"]
