"""Web pages that may ask a server that is not theirs: cross-origin resource sharing (Fetch Standard, 3.3)."""

from collections.abc import Iterable, Mapping

from sage.errors import GraphError
from sage.operators.errors import shorten

__all__ = ["Origins"]

#: What pages may read of a response, beside what they always may.
_EXPOSED = "x-request-id, retry-after, retry-after-ms, x-refused-by, x-should-retry"
#: Seconds for which a browser need not ask again.
_REMEMBERED = "600"


class Origins:
    """Who they are, and what their browsers are told.

    Args:
        allowed: the origins, such as ``"https://example.org"``; ``"*"`` stands for all.

    Raises:
        GraphError: it is no list of origins.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        if isinstance(allowed, str) or not isinstance(allowed, Iterable):
            raise GraphError(f"origins={shorten(allowed)}: write a list: origins=['https://example.org']")
        self._allowed = frozenset(allowed)
        for origin in self._allowed:
            if not isinstance(origin, str) or (origin != "*" and ("://" not in origin or origin.endswith("/"))):
                raise GraphError(f"origins=[{origin!r}]: write an origin as browsers do, 'https://example.org', or '*'")

    def __contains__(self, origin: str) -> bool:
        return origin in self._allowed or "*" in self._allowed

    def shared(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What every response to a request with these headers says."""
        if not self._allowed:
            return {}
        if (origin := headers.get("origin")) is None or origin not in self:
            return {"vary": "origin"}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": _EXPOSED, "vary": "origin"}

    def asked(self, method: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        """What a browser is told that asks whether a page may send a request; `None` if it does not ask, or may not."""
        wanted = headers.get("access-control-request-method")
        if method != "OPTIONS" or wanted is None or headers.get("origin", "") not in self:
            return None
        told = {"access-control-allow-methods": wanted, "access-control-max-age": _REMEMBERED}
        if names := headers.get("access-control-request-headers"):
            told["access-control-allow-headers"] = names
        return told
