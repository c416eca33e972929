"""What the synthetic model says."""

import struct
from base64 import b64decode

import pytest
from hypothesis import given, strategies

from sage.serving.mock.texts import as_base64, cut_at_stop, vector, words


def test_equal_seeds_give_equal_words() -> None:
    assert words("a", 50) == words("a", 80)[:50] != words("b", 50)
    assert [word[0] == " " for word in words("a", 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        (["never"], (["one", " two", " three"], False)),
        ([" two"], (["one"], True)),
        (["wo th", "ee"], (["one", " t"], True)),
        (["one"], ([""], True)),
        ([], (["one", " two", " three"], False)),
    ],
)
def test_an_answer_is_cut_at_the_first_stop(stops: list[str], expected: tuple[list[str], bool]) -> None:
    assert cut_at_stop(["one", " two", " three"], stops) == expected


@given(text=strategies.text(strategies.characters()), dimensions=strategies.integers(1, 40))
def test_vectors_have_length_one(text: str, dimensions: int) -> None:
    values = vector(text, dimensions)
    assert len(values) == dimensions
    assert sum(value * value for value in values) == pytest.approx(1)
    assert vector(text, dimensions) == values


def test_packed_vectors_are_little_endian() -> None:
    assert struct.unpack("<3f", b64decode(as_base64([1.0, -0.5, 0.25]))) == (1.0, -0.5, 0.25)
