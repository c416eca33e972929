"""How an edge spreads records over the subtasks that read it: descriptions only; `sage.runtime.partition` does it."""

from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["Auto", "Broadcast", "Custom", "Forward", "Hash", "Partitioning", "Rebalance", "Rescale"]


class Partitioning:
    """Root of all kinds; two of the same kind are equal.

    They are plain classes because seven dataclasses more are felt by `import sage`.
    """

    #: What pictures call it; empty where there is nothing to say.
    label: ClassVar[str] = ""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Auto(Partitioning):
    """`Forward` between operators of equal parallelism, else `Rebalance`; what an edge has when nothing is said."""


class Forward(Partitioning):
    """Subtask to subtask of the same index; needs equal parallelism."""

    label = "forward"


class Rebalance(Partitioning):
    """Record by record to the next subtask, round robin."""

    label = "rebalance"


class Rescale(Partitioning):
    """Round robin, but each sender only over its own share of the receivers: fewer channels than `Rebalance`."""

    label = "rescale"


class Hash(Partitioning):
    """By key: records with equal keys go to the same subtask."""

    label = "hash"


class Broadcast(Partitioning):
    """Every record to every subtask."""

    label = "broadcast"


class Custom(Partitioning):
    """To the subtask that ``choose(value, parallelism)`` names."""

    label = "custom"

    def __init__(self, choose: Callable[[Any, int], int]) -> None:
        self.choose = choose

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Custom) and self.choose == other.choose

    def __hash__(self) -> int:
        return hash(self.choose)

    def __repr__(self) -> str:
        return f"Custom({self.choose!r})"
