"""Functions that a model may have called."""

from collections.abc import Callable
from typing import Any, Literal

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.llm import Tool, WrongArguments, tool


async def search(
    text: str,
    limit: int = 5,
    kind: Literal["web", "mail"] = "web",
    tags: list[str] | None = None,
    *,
    exact: bool = False,
) -> str:
    """Search for a text
    somewhere.

    More for people.
    """
    return text


def test_a_function_tells_what_a_model_must_know() -> None:
    assert tool(search).to_dict() == {
        "type": "function",
        "function": {
            "name": "search",
            "description": "Search for a text somewhere.",
            "parameters": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "limit": {"type": "integer"},
                    "kind": {"enum": ["web", "mail"]},
                    "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
                    "exact": {"type": "boolean"},
                },
                "required": ["text"],
                "additionalProperties": False,
            },
        },
    }


def test_arguments_are_checked() -> None:
    assert tool(search).arguments('{"text": "x", "tags": null}') == {"text": "x", "tags": None}
    assert Tool("none", "", {"type": "object"}, print).arguments("") == {}
    for text, why in (
        ("{", "no JSON"),
        ("{}", "no 'text'"),
        ("[]", "not of type object"),
        ('{"text": 1}', "text is 1"),
    ):
        with pytest.raises(WrongArguments, match=why):
            tool(search).arguments(text)


def undocumented(x: int) -> None: ...


def odd(x: complex) -> None:
    """Odd."""


def unnamed(*x: int) -> None:
    """Unnamed."""


def mapping(x: dict[str, float]) -> None:
    """A mapping."""


def test_mappings_have_values_of_a_type() -> None:
    properties: Any = tool(mapping).parameters["properties"]
    assert properties == {"x": {"type": "object", "additionalProperties": {"type": "number"}}}


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (undocumented, r"tool\(undocumented\): write a docstring"),
        (odd, r"tool\(odd\): x is annotated as <class 'complex'>"),
        (unnamed, r"tool\(unnamed\): \*x.* is not given by name"),
    ],
)
def test_what_says_nothing_to_a_model_is_refused(function: Callable[..., Any], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        tool(function)
