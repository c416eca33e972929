"""Packages that an extra brings."""

from importlib import import_module
from typing import Any

from sage.operators.errors import OperatorError

__all__ = ["MissingPackage", "needed"]


class MissingPackage(OperatorError, ImportError):
    """A package is not installed; the message says what to install."""


def needed(module: str, *, extra: str) -> Any:
    """The module of a package that an extra brings.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackage(f'{module} is needed here: pip install "sage-streams[{extra}]" ({error})') from None
