"""Text with places to fill in."""

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import Template


def test_places_are_filled_in_once() -> None:
    template = Template("{a} and {b}, {a}; {{a}}")
    assert template.names == ("a", "b")
    assert template.render(a="{b}", b=2) == "{b} and 2, {b}; {a}"


@given(st.text())
def test_values_go_in_as_they_are(value: str) -> None:
    assert Template("<{x}>").render(x=value) == f"<{value}>"


@pytest.mark.parametrize("text", ["{a.b}", "{a[0]}", "{0}", "{}", "{a!r}", "{a:>9}", "{a", "a}", "{a b}"])
def test_places_are_plain_names(text: str) -> None:
    with pytest.raises(InvalidOperator, match="the template"):
        Template(text)


@pytest.mark.parametrize(("values", "text"), [({}, "needs name"), ({"name": 1, "x": 2}, "has no place for x")])
def test_values_and_places_go_together(values: dict[str, int], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        Template("{name}").render(**values)
