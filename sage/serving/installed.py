"""Parts of the extra ``serve``, imported on first use."""

from importlib import import_module
from types import ModuleType

from sage.errors import NotAvailable

__all__ = ["needed"]


def needed(module: str) -> ModuleType:
    """Import a module of the extra.

    Raises:
        NotAvailable: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise NotAvailable(
            f'serving over HTTP needs {error.name or module}: pip install "sage-streams[serve]"'
        ) from None
