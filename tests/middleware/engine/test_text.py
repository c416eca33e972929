"""Text from tokens: whole letters only, and all of them."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies

from sage.middleware.engine.text import Detokenizer


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def decode(self, tokens: Sequence[int], **options: Any) -> str:
        return bytes(tokens).decode(errors="replace")


def pieces(tokenizer: Any, tokens: Sequence[int], prompt: Sequence[int] = ()) -> list[str]:
    detokenizer = Detokenizer(tokenizer, prompt)
    return [*(detokenizer.feed(token) for token in tokens), detokenizer.flush()]


def test_a_letter_comes_when_it_is_whole() -> None:
    assert pieces(Bytes(), "aé你!".encode()) == ["a", "", "é", "", "", "你", "!", ""]


def test_what_is_no_letter_comes_with_the_next_that_is_one() -> None:
    assert pieces(Bytes(), b"\xff\xffa\xe4\xbd") == ["", "", "\ufffd\ufffda", "", "", "\ufffd"]


def test_the_prompt_is_not_repeated() -> None:
    assert pieces(Bytes(), "ü!".encode(), "grün".encode()) == ["", "ü", "!", ""]


@given(text=strategies.text(), prompt=strategies.text(max_size=5))
def test_every_text_comes_out_as_it_was(text: str, prompt: str) -> None:
    assert "".join(pieces(Bytes(), text.encode(), prompt.encode())) == text


@given(tokens=strategies.binary(max_size=40))
def test_any_bytes_come_out_as_if_decoded_at_once(tokens: bytes) -> None:
    assert "".join(pieces(Bytes(), tokens)) == tokens.decode(errors="replace")


def test_a_long_answer_keeps_no_old_tokens() -> None:
    detokenizer = Detokenizer(Bytes(), b"prompt")
    assert "".join(detokenizer.feed(token) for token in b"word " * 400) == "word " * 400
    assert len(detokenizer._tokens) < 600


@pytest.mark.parametrize(
    "text", ["the quick brown fox", "Grüße aus Zürich", "你好世界 日本語 🙂🙂", " two  spaces\n\n"]
)
def test_a_real_tokenizer(loaded: Any, text: str) -> None:
    tokens = loaded.tokenizer.encode(text)
    got = pieces(loaded.tokenizer, tokens, loaded.tokenizer.encode("dog"))
    assert "".join(got) == text
    assert not any("\ufffd" in piece for piece in got)
