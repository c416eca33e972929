"""Parts of the extra ``serve``, imported on first use."""

from typing import Any

from sage import extras

__all__ = ["needed"]


def needed(module: str) -> Any:
    """Import a module of the extra.

    Raises:
        NotAvailable: it is not installed.
    """
    return extras.needed(module, extra="serve", purpose="serving over HTTP")
