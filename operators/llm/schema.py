"""Whether a JSON value is as a schema says: the part of JSON Schema that models are asked with."""

from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any

from sage.operators.errors import InvalidOperator, shorten

__all__ = ["check_schema", "violations"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
# They say nothing about which values are right.
_NOTES = frozenset({"$schema", "$id", "title", "description", "default", "examples", "format", "$defs", "deprecated"})
_LIMITS: dict[str, Callable[[float, float], bool]] = {
    "minimum": ge,
    "exclusiveMinimum": gt,
    "maximum": le,
    "exclusiveMaximum": lt,
}
_CHECKED = frozenset(
    {"type", "enum", "const", "anyOf", "allOf", "oneOf", "$ref", "properties", "required", "additionalProperties"}
    | {"items", "minItems", "maxItems", "minLength", "maxLength", *_LIMITS}
)


def check_schema(schema: Mapping[str, Any], path: str = "the schema") -> None:
    """Refuse a schema that `violations` could not check whole.

    Raises:
        InvalidOperator: names the word that is not known, and where it stands.
    """
    _check(schema, path, schema)


def _check(schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> None:
    if not isinstance(schema, Mapping):
        raise InvalidOperator(f"{path} is {shorten(schema)}: write an object")
    unknown = sorted(set(schema) - _NOTES - _CHECKED)
    if unknown:
        raise InvalidOperator(f"{path} says {unknown[0]!r}, which is not checked here; leave it out, or give check=")
    if "$ref" in schema:
        _resolved(schema["$ref"], root)
    for name, inner in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        _check(inner, f"{path}, at {name}", root)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), Mapping):
            _check(schema[word], f"{path}, at {word}", root)
    for word in ("anyOf", "allOf", "oneOf"):
        for inner in schema.get(word, ()):
            _check(inner, f"{path}, at {word}", root)


def violations(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with a value, as sentences for whoever made it; empty if it is as the schema says.

    Args:
        value: as `json.loads` makes it.
        schema: one that `check_schema` lets pass.
    """
    return list(_violations(value, schema, "", schema))


def _violations(value: Any, schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from _violations(value, _resolved(schema["$ref"], root), path, root)
    where = path or "the value"
    kinds = schema.get("type")
    if kinds is not None:
        wanted = [kinds] if isinstance(kinds, str) else kinds
        if not any(_is(value, kind) for kind in wanted):
            yield f"{where} is {shorten(value, 60)}, not of type {' or '.join(wanted)}"
            return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {shorten(value, 60)}, not one of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{where} is {shorten(value, 60)}, not {schema['const']!r}"
    yield from _combined(value, schema, path, root)
    if isinstance(value, dict):
        yield from _of_object(value, schema, path, root)
    elif isinstance(value, list):
        yield from _bounds(len(value), schema, where, "minItems", "maxItems", "items")
        for number, item in enumerate(value if "items" in schema else ()):
            yield from _violations(item, schema["items"], f"{path}[{number}]", root)
    elif isinstance(value, str):
        yield from _bounds(len(value), schema, where, "minLength", "maxLength", "characters")
    elif _is(value, "number"):
        for word, holds in _LIMITS.items():
            if word in schema and not holds(value, schema[word]):
                yield f"{where} is {value}, against {word} {schema[word]}"


def _combined(value: Any, schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> Iterator[str]:
    for inner in schema.get("allOf", ()):
        yield from _violations(value, inner, path, root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            fitting = sum(not any(_violations(value, inner, path, root)) for inner in schema[word])
            if not fitting or (word == "oneOf" and fitting > 1):
                how = "none of the forms" if not fitting else f"{fitting} of the forms, not one,"
                yield f"{path or 'the value'} has {how} that are allowed"


def _of_object(value: dict[str, Any], schema: Mapping[str, Any], path: str, root: Mapping[str, Any]) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path or 'the value'} has no {name!r}"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner_path = f"{path}.{name}" if path else name
        if name in known:
            yield from _violations(item, known[name], inner_path, root)
        elif others is False:
            yield f"{path or 'the value'} has {name!r}, which is not allowed"
        elif isinstance(others, Mapping):
            yield from _violations(item, others, inner_path, root)


def _bounds(count: int, schema: Mapping[str, Any], where: str, least: str, most: str, what: str) -> Iterator[str]:
    if count < schema.get(least, 0):
        yield f"{where} has {count} {what}, and needs {schema[least]} or more"
    if most in schema and count > schema[most]:
        yield f"{where} has {count} {what}, and may have {schema[most]} or fewer"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):  # a number to Python, not to JSON
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, ()))


def _resolved(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        raise InvalidOperator(f"the schema refers to {reference!r}, which is not in it")
    return found
