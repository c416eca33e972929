"""What is done when a replica of a service dies."""

from dataclasses import dataclass
from datetime import timedelta

from sage.errors import GraphError
from sage.operators.numbers import grown, is_count, is_number, seconds

__all__ = ["Restart"]


@dataclass(frozen=True)
class Restart:
    """Start it again: ``register_service(..., restart=sage.Restart())``.

    Durations are seconds, or a timedelta.

    Args:
        attempts: how often in a row, at most; a replica that ran for `settled` starts a new count.
        delay: before the first of them.
        backoff: by how much the delay grows each time.
        max_delay: what a delay may reach.
        settled: after this time a replica counts as running well.
        wait: whether calls wait meanwhile when no replica is left, within their deadline; else they fail at once.

    Raises:
        GraphError: a value cannot be.
    """

    attempts: int = 5
    delay: float | timedelta = 0.1
    backoff: float = 2.0
    max_delay: float | timedelta = 30.0
    settled: float | timedelta = 10.0
    wait: bool = False

    def __post_init__(self) -> None:
        if not is_count(self.attempts):
            raise GraphError(f"Restart(attempts={self.attempts!r}): write how often, 1 or more")
        for name in ("delay", "max_delay", "settled"):
            value = getattr(self, name)
            if not is_number(seconds(value)):
                raise GraphError(f"Restart({name}={value!r}): write seconds, 0 or more")
        if not is_number(self.backoff, least=1):
            raise GraphError(f"Restart(backoff={self.backoff!r}): write 1 for a constant delay, or more")

    def pause(self, attempt: int) -> float:
        """Seconds before the `attempt`-th restart in a row, counted from 1."""
        return grown(seconds(self.delay), self.backoff, attempt - 1, seconds(self.max_delay))
