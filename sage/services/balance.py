"""Which replica of a service gets a call."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from hashlib import blake2b
from math import ceil
from types import MappingProxyType
from typing import Any, Protocol

from sage.errors import GraphError

__all__ = ["Balance", "ByKey", "LeastOutstanding", "Loaded", "RoundRobin", "balance_named"]


_NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})


class Loaded(Protocol):
    """A replica, as far as its choice depends on it."""

    index: int
    #: Calls that it has not answered yet.
    outstanding: int


class Balance(ABC):
    """Chooses; one object for each service."""

    @abstractmethod
    def choose(
        self, replicas: Sequence[Loaded], args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NO_KEYWORDS
    ) -> Loaded:
        """One of `replicas` (at least one, all of which can be called) for a call with these arguments."""


class RoundRobin(Balance):
    """Each in turn."""

    def __init__(self) -> None:
        self._next = 0

    def choose(
        self, replicas: Sequence[Loaded], args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NO_KEYWORDS
    ) -> Loaded:
        """See `Balance.choose`."""
        chosen = replicas[self._next % len(replicas)]
        self._next += 1
        return chosen


class LeastOutstanding(Balance):
    """The one with the fewest calls that it has not answered; among equals, each in turn."""

    def __init__(self) -> None:
        self._next = 0

    def choose(
        self, replicas: Sequence[Loaded], args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NO_KEYWORDS
    ) -> Loaded:
        """See `Balance.choose`."""
        count = len(replicas)
        start = self._next
        self._next = (start + 1) % count
        chosen = replicas[start % count]
        for step in range(1, count):
            other = replicas[(start + step) % count]
            if other.outstanding < chosen.outstanding:
                chosen = other
        return chosen


class ByKey(Balance):
    """The same replica for the same key, as long as it is not loaded beyond its share: a session finds its cache again.

    By rendezvous hashing (Thaler and Ravishankar, 1998), so when a replica goes only its keys move; with bounded loads
    (Mirrokni et al., 2016).

    Args:
        key: gives the key of a call, from its arguments; by default the first one, given by position, is the key.
        bound: how many times the average load a replica may have before a key goes to the next in its order.
    """

    def __init__(self, key: Callable[..., Hashable] | None = None, *, bound: float = 1.25) -> None:
        if not bound >= 1:
            raise GraphError(f"ByKey(bound={bound!r}): write how many times the average load is allowed, 1 or more")
        self._key = key or _first
        self._bound = bound

    def choose(
        self, replicas: Sequence[Loaded], args: tuple[Any, ...], kwargs: Mapping[str, Any] = _NO_KEYWORDS
    ) -> Loaded:
        """See `Balance.choose`."""
        key = repr(self._key(*args, **kwargs)).encode()
        most = ceil(self._bound * (sum(replica.outstanding for replica in replicas) + 1) / len(replicas))
        ranked = sorted(replicas, key=lambda replica: _weight(key, replica.index), reverse=True)
        return next((replica for replica in ranked if replica.outstanding < most), ranked[0])


_NAMED: dict[str, Callable[[], Balance]] = {"least": LeastOutstanding, "round_robin": RoundRobin, "key": ByKey}


def balance_named(balance: str | Balance) -> Balance:
    """The way to choose that has this name, or the one that is given.

    Raises:
        GraphError: there is none.
    """
    if isinstance(balance, Balance):
        return balance
    if balance not in _NAMED:
        names = ", ".join(map(repr, _NAMED))
        raise GraphError(f"balance={balance!r} is not known; write one of {names}, or sage.ByKey(...)")
    return _NAMED[balance]()


def _weight(key: bytes, replica: int) -> bytes:
    return blake2b(key, digest_size=8, salt=replica.to_bytes(8, "little")).digest()


def _first(*args: Any, **kwargs: Any) -> Hashable:
    if args:
        key: Hashable = args[0]
        return key
    if kwargs:  # in which order they come is up to the caller
        raise TypeError(
            f"balance by key: the first argument is the key, and all are given by name ({', '.join(kwargs)}); give the "
            f"key by position, or tell which it is: balance=sage.ByKey(lambda {next(iter(kwargs))}, **_: ...)"
        )
    return None
