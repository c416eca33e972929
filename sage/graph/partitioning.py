"""How an edge spreads records over the subtasks that read it: descriptions only; `sage.runtime.partition` does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Auto", "Broadcast", "Custom", "Forward", "Hash", "Partitioning", "Rebalance", "Rescale"]


@dataclass(frozen=True)
class Auto:
    """`Forward` between operators of equal parallelism, else `Rebalance`; what an edge has when nothing is said."""

    label = ""


@dataclass(frozen=True)
class Forward:
    """Subtask to subtask of the same index; needs equal parallelism."""

    label = "forward"


@dataclass(frozen=True)
class Rebalance:
    """Record by record to the next subtask, round robin."""

    label = "rebalance"


@dataclass(frozen=True)
class Rescale:
    """Round robin, but each sender only over its own share of the receivers: fewer channels than `Rebalance`."""

    label = "rescale"


@dataclass(frozen=True)
class Hash:
    """By key: records with equal keys go to the same subtask."""

    label = "hash"


@dataclass(frozen=True)
class Broadcast:
    """Every record to every subtask."""

    label = "broadcast"


@dataclass(frozen=True)
class Custom:
    """To the subtask that ``choose(value, parallelism)`` names."""

    choose: Callable[[Any, int], int]
    label = "custom"


Partitioning = Auto | Forward | Rebalance | Rescale | Hash | Broadcast | Custom
