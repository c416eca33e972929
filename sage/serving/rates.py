"""How many requests and tokens a tenant may have in a minute."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sage.errors import GraphError, Overloaded
from sage.operators.numbers import is_number

__all__ = ["Rate", "RateLimiter", "Reservation"]

#: With so many tenants, those that have used nothing lately are forgotten.
_MANY = 4096


@dataclass(frozen=True)
class Rate:
    """Bounds what each tenant may use.

    Tokens are reserved before there is any work: those of the request, and as many as the answer may have. What was
    not used is given back at the end.

    Args:
        requests_per_minute: how many requests; also how many at once. `None` for no bound.
        tokens_per_minute: how many tokens, of requests and answers together.

    Raises:
        GraphError: a number cannot be.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not is_number(value, least=1):
                raise GraphError(f"Rate({name}={value!r}): write a number of 1 or more")


class _Bucket:
    """Fills up evenly, to what a minute allows."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.capacity = per_minute
        self._level = per_minute
        self._filled = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until there is so much; 0 if there is."""
        self._fill(now)
        return max(amount - self._level, 0.0) * 60 / self.capacity

    def take(self, amount: float) -> None:
        """Take some out, maybe more than there is; negative puts some back."""
        self._level -= amount

    def is_full(self, now: float) -> bool:
        """Whether nothing was used lately."""
        self._fill(now)
        return self._level >= self.capacity

    def _fill(self, now: float) -> None:
        self._level = min(self.capacity, self._level + (now - self._filled) * self.capacity / 60)
        self._filled = now


class Reservation:
    """Tokens that were taken ahead.

    Args:
        bucket: where from; `None` where there is no bound.
        tokens: how many.
    """

    def __init__(self, bucket: _Bucket | None, tokens: int) -> None:
        self.tokens = tokens
        self._bucket = bucket

    def settle(self, used: int) -> None:
        """Give back what was not used, or take what was used beyond. Only the first time counts."""
        if self._bucket is not None:
            self._bucket.take(used - self.tokens)
        self._bucket = None


class RateLimiter:
    """Holds the buckets of all tenants.

    Args:
        rate: what each of them may use.
        now: tells the time in seconds; the running loop's if left out.
    """

    def __init__(self, rate: Rate, *, now: Callable[[], float] | None = None) -> None:
        self._rates = {"requests_per_minute": rate.requests_per_minute, "tokens_per_minute": rate.tokens_per_minute}
        self._buckets: dict[Hashable, dict[str, _Bucket]] = {}
        self._now = now

    def reserve(self, key: Hashable, tokens: int) -> Reservation:
        """Take one request and `tokens`, both or none of them.

        Raises:
            Overloaded: the tenant has used up what it may.
        """
        now = asyncio.get_running_loop().time() if self._now is None else self._now()
        buckets = self._of(key, now)
        amounts = {"requests_per_minute": 1, "tokens_per_minute": tokens}
        for limit, bucket in buckets.items():
            if amounts[limit] > bucket.capacity:
                told = f"the request may use {amounts[limit]} tokens, more than a minute has ({limit}="
                raise Overloaded(f"{told}{bucket.capacity:g}); ask for fewer", limit=limit)
            seconds = bucket.wait(amounts[limit], now)
            if seconds > 0:
                told = f"rate limit reached ({limit}={bucket.capacity:g}); come again in {seconds:.2g} s"
                raise Overloaded(told, limit=limit, retry_after=seconds)
        for limit, bucket in buckets.items():
            bucket.take(amounts[limit])
        return Reservation(buckets.get("tokens_per_minute"), tokens)

    def _of(self, key: Hashable, now: float) -> dict[str, _Bucket]:
        if key not in self._buckets:
            if len(self._buckets) >= _MANY:
                self._forget(now)
            self._buckets[key] = {name: _Bucket(rate, now) for name, rate in self._rates.items() if rate is not None}
        return self._buckets[key]

    def _forget(self, now: float) -> None:
        for key in [key for key, own in self._buckets.items() if all(bucket.is_full(now) for bucket in own.values())]:
            del self._buckets[key]
