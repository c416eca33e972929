"""What an island refuses becomes an error of the program: users of sage catch `SageError` and nothing else."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from sage.errors import GraphError
from sage.operators.errors import InvalidOperator

__all__ = ["Refusing", "described"]

D = TypeVar("D")


def described(make: Callable[..., D], *args: Any, **options: Any) -> D:
    """Make the description of an operator.

    Raises:
        GraphError: the operator was described with a value that cannot be, or with an option that it does not have.
    """
    _refuse_unknown(make, options)
    try:
        return make(*args, **options)
    except InvalidOperator as error:
        raise GraphError(str(error)) from None


class Refusing:
    """Mixed into a description that users make themselves: what it refuses is a `GraphError`."""

    def __post_init__(self) -> None:
        described(getattr(super(), "__post_init__", lambda: None))


def _refuse_unknown(make: Any, options: dict[str, Any]) -> None:
    if not dataclasses.is_dataclass(make):
        return
    owner, fields = getattr(make, "kind", make), [field.name for field in dataclasses.fields(make)]
    for option in options.keys() - set(fields):
        import difflib  # a mistake costs its loading, and nothing else does

        near = difflib.get_close_matches(option, [*fields, "parallelism"], 1)
        hint = f"; did you mean {near[0]}=...?" if near and near[0] != option else ""
        raise GraphError(f"{owner}: there is no option {option!r}{hint}")
