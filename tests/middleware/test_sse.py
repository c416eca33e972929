"""Server-sent events from bytes that were cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from sage.middleware import ServerEvent, SseReader

TEXT = (
    "\ufeffdata: one\n\n: a comment\r\n\r\ndata:two\rdata:  lines\r\revent: error\nid: 7\nretry: 5\ndata: é日🙂\r\n\r\n"
    "nonsense\ndata\n\nevent: nothing\n\ndata: [DONE]\n\ndata: not ended"
)
EVENTS = [
    ServerEvent("one"),
    ServerEvent("two\n lines"),
    ServerEvent("é日🙂", "error"),
    ServerEvent(""),
    ServerEvent("[DONE]"),
]


def read(pieces: list[bytes]) -> list[ServerEvent]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)]


def test_line_ends_comments_and_fields() -> None:
    assert read([TEXT.encode()]) == EVENTS


def test_byte_by_byte() -> None:
    assert read([bytes([byte]) for byte in TEXT.encode()]) == EVENTS


@given(cuts=st.lists(st.integers(0, len(TEXT.encode())), max_size=10))
def test_cut_anywhere(cuts: list[int]) -> None:
    data = TEXT.encode()
    places = [0, *sorted(cuts), len(data)]
    assert read([data[start:end] for start, end in pairwise(places)]) == EVENTS


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@given(texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5))
def test_what_was_written_is_read(end: str, texts: list[str]) -> None:
    data = "".join(f"data: {text}{end}{end}" for text in texts).encode()
    assert [event.data for event in read([data[:7], data[7:8], data[8:]])] == texts


def test_an_event_is_given_out_with_its_last_byte() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n\r") == [ServerEvent("a")]
    assert reader.feed(b"\ndata: b\n\n") == [ServerEvent("b")]


def test_letters_that_are_broken_do_not_stop_it() -> None:
    assert read([b"data: \xff\n\n", b"data: x\n\n"]) == [ServerEvent("\ufffd"), ServerEvent("x")]


def test_an_event_without_an_end_does_not_fill_the_memory() -> None:
    reader = SseReader(max_characters=100)
    for _ in range(50):
        reader.feed(b"data: short\n\n")
    with pytest.raises(ValueError, match="longer than 100 characters"):
        for _ in range(11):
            reader.feed(b"data: 4567")
