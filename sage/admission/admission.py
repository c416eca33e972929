"""How much may be inside at once."""

from dataclasses import dataclass
from typing import Union

from sage.errors import GraphError
from sage.operators.numbers import is_count

__all__ = ["Admission"]


@dataclass(frozen=True)
class Admission:
    """Bounds the requests that are inside a program at once, and those that wait to be let in.

    ::

        sage.Admission(max_requests=64, max_queued=256, max_tokens=100_000, per_key=4)

    Args:
        max_requests: how many requests are open at once: let in, and not answered yet.
        max_queued: how many more wait to be let in. Beyond that a request is refused at once, with `Overloaded`.
        max_tokens: how many tokens the open requests may use together; `None` for no bound.
        per_key: the same for each key (a tenant, an API key): how many requests it may have open, or an `Admission` of
            its own. Requests without a key share one. `None` for no bound.

    Raises:
        GraphError: a number cannot be.
    """

    max_requests: int
    max_queued: int = 0
    max_tokens: int | None = None
    per_key: Union[int, "Admission", None] = None

    def __post_init__(self) -> None:
        _check("max_requests", self.max_requests, 1)
        _check("max_queued", self.max_queued, 0)
        if self.max_tokens is not None:
            _check("max_tokens", self.max_tokens, 1)
        if isinstance(self.per_key, Admission):
            if self.per_key.per_key is not None:
                raise GraphError("Admission(per_key=...): what bounds one key has no keys itself; leave per_key= out")
        elif self.per_key is not None:
            _check("per_key", self.per_key, 1, "an int of 1 or more, or an Admission")

    @property
    def each_key(self) -> "Admission | None":
        """What bounds one key; `None` if nothing does."""
        if self.per_key is None or isinstance(self.per_key, Admission):
            return self.per_key
        return Admission(self.per_key, max_queued=self.max_queued)


def _check(name: str, value: object, least: int, wanted: str = "") -> None:
    if not is_count(value, least):
        raise GraphError(f"Admission({name}={value!r}): write {wanted or f'an int of {least} or more'}")
