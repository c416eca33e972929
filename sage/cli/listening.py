"""How commands tell that they cannot listen."""

from collections.abc import Iterator
from contextlib import contextmanager

from sage.cli.failures import CannotRun

__all__ = ["cannot_listen"]


@contextmanager
def cannot_listen(host: str, port: int) -> Iterator[None]:
    """Tell of a port that is taken, or a host that is not this machine.

    Raises:
        CannotRun: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise CannotRun(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
