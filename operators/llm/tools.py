"""Functions that a model may have called."""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sage.operators.errors import InvalidOperator
from sage.operators.llm.schema import check_schema, violations

__all__ = ["Tool", "WrongArguments", "tool"]

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


class WrongArguments(ValueError):
    """A model called a tool with arguments that cannot be; the message is for the model."""


@dataclass(frozen=True)
class Tool:
    """A function, and what a model is told about it. Most are made with `tool`.

    Args:
        name: what the model calls it.
        description: when to call it, and what it gives.
        parameters: JSON Schema of its arguments, an object.
        function: plain or async; called with the arguments by name.

    Raises:
        InvalidOperator: the schema says what cannot be checked.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Any] | Callable[..., Awaitable[Any]]

    def __post_init__(self) -> None:
        check_schema(self.parameters, f"Tool({self.name!r}): the schema")

    def to_dict(self) -> dict[str, Any]:
        """What the OpenAI protocol writes for it."""
        described = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {"type": "function", "function": described}

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments that a model wrote, as the function takes them.

        Raises:
            WrongArguments: they are no JSON, or not as the schema says.
        """
        try:
            values = json.loads(text or "{}")
        except ValueError as error:
            raise WrongArguments(f"the arguments of {self.name} are no JSON: {error}") from None
        wrong = violations(values, {"type": "object", **self.parameters})
        if wrong:
            raise WrongArguments(f"the arguments of {self.name} cannot be: {'; '.join(wrong)}")
        return dict(values)


def tool(function: Callable[..., Any]) -> Tool:
    """A tool from a function: its name, the first paragraph of its docstring, and its annotations.

    ::

        @tool
        async def weather(city: str, days: int = 1) -> str:
            \"\"\"The weather forecast for a city.\"\"\"

    Raises:
        InvalidOperator: it has no docstring, or a parameter whose type says nothing to a model (write a `Tool`).
    """
    name = getattr(function, "__name__", type(function).__name__)
    described = inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    if not described:
        raise InvalidOperator(f"tool({name}): write a docstring: it tells the model when to call the function")
    hints = get_type_hints(function)
    properties, required = {}, []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise InvalidOperator(f"tool({name}): {parameter} is not given by name; write a Tool")
        properties[parameter.name] = _schema(hints.get(parameter.name), f"tool({name}): {parameter.name}")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(name, described, schema, function)


def _schema(hint: Any, owner: str) -> dict[str, Any]:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(one, owner) for one in inner]}
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema(inner[0], owner)} if inner else {})}
    if hint is dict or (origin is dict and inner[0] is str):
        return {"type": "object", **({"additionalProperties": _schema(inner[1], owner)} if inner else {})}
    raise InvalidOperator(
        f"{owner} is annotated as {hint!r}; write str, int, float, bool, list, dict, Literal or a union of them"
    )
