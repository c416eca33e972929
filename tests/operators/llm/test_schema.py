"""Whether a JSON value is as a schema says."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.llm import check_schema, violations

jsonschema = pytest.importorskip("jsonschema")

LEAVES = st.sampled_from(
    [
        {},
        {"type": "string", "minLength": 1, "maxLength": 2},
        {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 3},
        {"type": "number", "maximum": 1.5, "exclusiveMinimum": -1},
        {"type": "boolean"},
        {"enum": ["a", 1, None]},
        {"const": "a"},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items, "minItems": 1, "maxItems": 2}, inner),
        st.builds(
            lambda a, b: {
                "type": "object",
                "properties": {"a": a, "b": b},
                "required": ["a"],
                "additionalProperties": False,
            },
            inner,
            inner,
        ),
        st.builds(lambda value: {"additionalProperties": value}, inner),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
        st.builds(lambda one, other: {"oneOf": [one, other]}, inner, inner),
        st.builds(lambda one, other: {"allOf": [one, other]}, inner, inner),
    ),
    max_leaves=4,
)
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 2.0, 1.5, -1, 7, "", "a", "abc"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@given(schema=SCHEMAS, value=VALUES)
def test_it_agrees_with_the_standard(schema: dict[str, Any], value: Any) -> None:
    check_schema(schema)
    # To Python `1 == True`, also inside of `enum`; to JSON they differ.
    if "enum" not in str(schema):
        assert (violations(value, schema) == []) is jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "the value is [], not of type object"),
        ({}, "the value has no 'name'"),
        ({"name": 5}, "name is 5, not of type string"),
        ({"name": "x", "size": -1}, "size is -1, against minimum 0"),
        ({"name": "x", "tags": ["a", 1]}, "tags[1] is 1, not of type string"),
        ({"name": "x", "tags": ["a"] * 9}, "tags has 9 items, and may have 3 or fewer"),
        ({"name": "x", "kind": "d"}, "kind is 'd', not one of ['a', 'b']"),
        ({"name": "x", "z": 1}, "the value has 'z', which is not allowed"),
        ({"name": "x", "part": {"name": 1}}, "part.name is 1, not of type string"),
        ({"name": "x", "either": []}, "either has none of the forms that are allowed"),
    ],
)
def test_it_says_what_is_wrong_and_where(value: Any, text: str) -> None:
    schema = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "size": {"type": "integer", "minimum": 0},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "kind": {"enum": ["a", "b"]},
            "part": {"$ref": "#/$defs/part"},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {"part": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    check_schema(schema)
    assert violations(value, schema) == [text]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"properties": {"a": {"pattern": "x"}}}, "at a says 'pattern', which is not checked here"),
        ({"items": {"anyOf": [{"if": {}}]}}, "at items, at anyOf says 'if'"),
        ({"additionalProperties": {"x-y": 1}}, "'x-y'"),
        ({"$ref": "#/$defs/nothing"}, "refers to '#/\\$defs/nothing', which is not in it"),
        (5, "write an object"),
    ],
)
def test_a_schema_that_could_not_be_checked_whole_is_refused(schema: Any, text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        check_schema(schema)
