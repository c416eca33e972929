"""What an island refuses becomes an error of the program: users of sage catch `SageError` and nothing else."""

from collections.abc import Callable
from typing import Any, TypeVar

from sage.errors import GraphError
from sage.operators.errors import InvalidOperator

__all__ = ["Refusing", "described"]

D = TypeVar("D")


def described(make: Callable[..., D], *args: Any, **options: Any) -> D:
    """Make the description of an operator.

    Raises:
        GraphError: the operator was described with a value that cannot be.
    """
    try:
        return make(*args, **options)
    except InvalidOperator as error:
        raise GraphError(str(error)) from None


class Refusing:
    """Mixed into a description that users make themselves: what it refuses is a `GraphError`."""

    def __post_init__(self) -> None:
        described(getattr(super(), "__post_init__", lambda: None))
