"""Errors of files name the file, which those of Python do not always do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["naming"]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have errors of the block name `path`: those of the system, of decoding and of encoding."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        error.reason = f"{error.reason}, in {path}"
        raise
