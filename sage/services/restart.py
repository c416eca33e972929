"""What is done when a replica of a service dies."""

from dataclasses import dataclass

from sage.errors import GraphError

__all__ = ["Restart"]


@dataclass(frozen=True)
class Restart:
    """Start it again: ``register_service(..., restart=sage.Restart())``.

    Args:
        attempts: how often in a row, at most; a replica that ran for `settled` seconds starts a new count.
        delay: seconds before the first of them.
        backoff: by how much the delay grows each time.
        max_delay: seconds that a delay may reach.
        settled: seconds after which a replica counts as running well.
        wait: whether calls wait meanwhile when no replica is left, within their deadline; else they fail at once.
    """

    attempts: int = 5
    delay: float = 0.1
    backoff: float = 2.0
    max_delay: float = 30.0
    settled: float = 10.0
    wait: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or isinstance(self.attempts, bool) or self.attempts < 1:
            raise GraphError(f"Restart(attempts={self.attempts!r}): write how often, 1 or more")
        for name in ("delay", "max_delay", "settled"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
                raise GraphError(f"Restart({name}={value!r}): write seconds, 0 or more")
        if not isinstance(self.backoff, int | float) or isinstance(self.backoff, bool) or not self.backoff >= 1:
            raise GraphError(f"Restart(backoff={self.backoff!r}): write 1 for a constant delay, or more")

    def pause(self, attempt: int) -> float:
        """Seconds before the `attempt`-th restart in a row, counted from 1."""
        try:
            return float(min(self.max_delay, self.delay * self.backoff ** (attempt - 1)))
        except OverflowError:  # beyond any number
            return float(self.max_delay) if self.delay else 0.0
