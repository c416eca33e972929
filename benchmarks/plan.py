"""How much is measured."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Plan"]


def _silent(step: str) -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """What the command line asked for.

    Args:
        pairs: how often floor and subject are run in turn, at least 1.
        quick: whether sizes are small: to see that all works, not to compare figures.
        peers: whether other libraries are measured too.
        progress: told what is being measured now.
    """

    pairs: int = 5
    quick: bool = False
    peers: bool = False
    progress: Callable[[str], None] = _silent

    def size(self, full: int, quick: int) -> int:
        """One of two sizes of the work."""
        return quick if self.quick else full
