"""JSON in what a model has written."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.llm import json_in

VALUES = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5) | st.lists(st.booleans(), max_size=2))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("5", 5),
        ('Sure! Here it is:\n```json\n{"a": [1, 2]}\n```\nAnything else?', {"a": [1, 2]}),
        ('in [1] you find {"a": {"b": "}"}}.', {"a": {"b": "}"}}),
        ("{not this} but [1, 2, 3]", [1, 2, 3]),
    ],
)
def test_it_is_found(text: str, value: Any) -> None:
    assert json_in(text) == value


@given(value=VALUES)
def test_whatever_stands_around_it(value: dict[str, Any]) -> None:
    assert json_in(f"Well, {json.dumps(value)} it is.") == value


@pytest.mark.parametrize("text", ["", "nothing", "{", "[" * 100_000, '{"a": 1'])
def test_there_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="there is no JSON in it"):
        json_in(text)
