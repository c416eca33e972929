"""Packages that come with an extra of the distribution: imported when they are needed, never by `import sage`."""

from importlib import import_module
from typing import Any

from sage.errors import NotAvailable

__all__ = ["needed"]


def needed(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module of a package that an extra brings.

    Args:
        module: the module.
        extra: the extra.
        purpose: what cannot be done without it.

    Raises:
        NotAvailable: it is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        # It may be there, and lack a package of its own.
        missing = error.name or module
        raise NotAvailable(f'{purpose} needs {missing}: pip install "sage-streams[{extra}]" ({error})') from None
