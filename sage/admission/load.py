"""What is inside, counted against its bounds."""

from sage.admission.admission import Admission

__all__ = ["Load"]


class Load:
    """How many requests and tokens are inside, of all or of one key.

    Args:
        bounds: how many may be.
    """

    __slots__ = ("bounds", "requests", "tokens")

    def __init__(self, bounds: Admission) -> None:
        self.bounds = bounds
        self.requests = 0
        self.tokens = 0

    def lacks(self, tokens: int) -> str | None:
        """The name of the bound that one more request with `tokens` would break; `None` if it fits."""
        if self.requests >= self.bounds.max_requests:
            return "max_requests"
        if self.bounds.max_tokens is not None and self.tokens + tokens > self.bounds.max_tokens:
            return "max_tokens"
        return None

    def add(self, tokens: int) -> None:
        """One more is inside."""
        self.requests += 1
        self.tokens += tokens

    def subtract(self, tokens: int) -> None:
        """One has left."""
        self.requests -= 1
        self.tokens -= tokens
