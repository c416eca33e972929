"""Documents into passages."""

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import Document, TextSplitter, count_tokens, token_spans

TEXT = "One two three. Four five.\n\nSix seven eight nine. Ten."


def texts(splitter: TextSplitter, text: str = TEXT) -> list[str]:
    return [passage.text for passage in splitter(text)]


def test_passages_end_with_paragraphs_if_they_can() -> None:
    assert texts(TextSplitter(max_tokens=10)) == ["One two three. Four five.", "Six seven eight nine. Ten."]


def test_or_with_sentences() -> None:
    assert texts(TextSplitter(max_tokens=5)) == ["One two three.", "Four five.", "Six seven eight nine.", "Ten."]
    assert texts(TextSplitter(max_tokens=12, by="sentence")) == [
        "One two three. Four five.\n\nSix seven eight nine.",
        "Ten.",
    ]


def test_or_with_any_token() -> None:
    assert texts(TextSplitter(max_tokens=4, by="token"), "a b c d e f") == ["a b c d", "e f"]
    assert texts(TextSplitter(max_tokens=2), "a b c d e") == ["a b", "c d", "e"]


def test_they_overlap_from_a_sentence_on_if_they_can() -> None:
    assert texts(TextSplitter(max_tokens=8, overlap=4, by="sentence")) == [
        "One two three. Four five.",
        "Four five.\n\nSix seven eight nine.",
        "seven eight nine. Ten.",
    ]
    assert texts(TextSplitter(max_tokens=4, overlap=2, by="token"), "a b c d e f") == ["a b c d", "c d e f"]


def test_passages_know_where_they_are_from() -> None:
    document = Document(TEXT, "one.txt", "One")
    for passage in TextSplitter(max_tokens=5)(document):
        assert document.text[passage.start : passage.end] == passage.text
        assert (passage.source, passage.title) == ("one.txt", "One")
        assert passage.id == f"one.txt#{passage.start}-{passage.end}"


def test_the_tokens_may_be_those_of_a_model() -> None:
    def letters(text: str) -> list[tuple[int, int]]:
        return [(place, place + 1) for place in range(len(text))]

    assert texts(TextSplitter(max_tokens=3, by="token", tokens=letters), "abcdefg") == ["abc", "def", "g"]


@given(
    text=st.text(st.sampled_from("ab. \n!é日"), max_size=200),
    max_tokens=st.integers(1, 20),
    share=st.floats(0, 0.5),
    by=st.sampled_from(["paragraph", "sentence", "token"]),
)
def test_every_token_is_in_a_passage_and_none_is_too_long(text: str, max_tokens: int, share: float, by: str) -> None:
    overlap = int(max_tokens * share)
    passages = TextSplitter(max_tokens, overlap, by)(text)  # type: ignore[arg-type]  # one of three
    tokens = token_spans(text)
    assert all(text[passage.start : passage.end] == passage.text for passage in passages)
    assert all(count_tokens(passage.text) <= max_tokens for passage in passages)
    assert all(any(p.start <= start and end <= p.end for p in passages) for start, end in tokens)
    repeated = sum(count_tokens(passage.text) for passage in passages) - len(tokens)
    assert 0 <= repeated <= overlap * max(0, len(passages) - 1)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"max_tokens": 0}, "1 or more"), ({"max_tokens": 9, "overlap": 5}, "half of max_tokens=9"), ({"by": "x"}, "'x'")],
)
def test_what_cannot_be_is_refused(options: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        TextSplitter(**options)  # type: ignore[arg-type]
