"""Who asks: from an API key to a tenant."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any

from sage.errors import GraphError
from sage.operators.errors import shorten
from sage.serving.errors import RequestError

__all__ = ["Auth", "Authenticator", "authenticator"]

#: API keys; or of each its tenant; or what finds the tenant of a key, `None` if there is none.
Auth = Iterable[str] | Mapping[str, Any] | Callable[[str], Awaitable[Any]]
Authenticator = Callable[[Mapping[str, str]], Awaitable[Any]]


def authenticator(auth: Auth | None) -> Authenticator:
    """Make what finds the tenant in the headers of a request; it raises `RequestError` (401) when there is none.

    Args:
        auth: as the user wrote it; `None` lets everybody in, as the tenant `None`.

    Raises:
        GraphError: it is nothing of that kind.
    """
    if auth is None:
        return _everybody
    if isinstance(auth, str):
        raise GraphError(f"auth={auth[:2] + '...'!r} is one text; write a list of keys: auth=[key]")
    if callable(auth):
        return _asking(auth)
    if not isinstance(auth, Iterable):
        raise GraphError(
            f"auth= is a {type(auth).__name__}; write a list of keys, a mapping from key to tenant, or an async "
            f"function that is given a key and returns the tenant, or None"
        )
    return _Keys(auth if isinstance(auth, Mapping) else {key: _name_of(key) for key in auth})


class _Keys:
    """A fixed set of keys.

    They are looked up by a keyed digest: how long that takes tells nothing of how much of a key was guessed.
    """

    def __init__(self, tenants: Mapping[str, Any]) -> None:
        for key in tenants:
            if not isinstance(key, str) or not key:
                raise GraphError("auth= has a key that is not a text, or is empty; write API keys as texts")
        for tenant in tenants.values():
            if not isinstance(tenant, Hashable):
                raise GraphError(f"auth= has the tenant {shorten(tenant)}: write what can be a key of a dict")
        if not tenants:
            raise GraphError("auth= has no keys, so nobody could come in; write one, or leave it out")
        self._secret = secrets.token_bytes(32)
        self._tenants = {self._digest(key): tenant for key, tenant in tenants.items()}

    async def __call__(self, headers: Mapping[str, str]) -> Any:
        digest = self._digest(_key_in(headers))
        if digest not in self._tenants:
            raise _wrong_key()
        return self._tenants[digest]

    def _digest(self, key: str) -> bytes:
        return hmac.digest(self._secret, key.encode("utf-8", "surrogatepass"), "sha256")


def _asking(find: Callable[[str], Awaitable[Any]]) -> Authenticator:
    async def ask(headers: Mapping[str, str]) -> Any:
        tenant = await find(_key_in(headers))
        if tenant is None:
            raise _wrong_key()
        if not isinstance(tenant, Hashable):
            raise TypeError(f"auth= returned {shorten(tenant)}: return what can be a key of a dict, such as a name")
        return tenant

    return ask


async def _everybody(headers: Mapping[str, str]) -> None:
    return None


def _name_of(key: str) -> str:
    """What a tenant is called of whom there is only a key: nothing that could be used as one."""
    return "key-" + hashlib.sha256(key.encode()).hexdigest()[:12]


def _key_in(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        key = headers.get("x-api-key", "")
    if not key.strip():
        raise RequestError(
            "there is no API key: send the header 'Authorization: Bearer KEY'",
            status=401,
            code="missing_api_key",
            headers=_CHALLENGE,
        )
    return key.strip()


def _wrong_key() -> RequestError:
    return RequestError("the API key is not known here", status=401, code="invalid_api_key", headers=_CHALLENGE)


_CHALLENGE = {"www-authenticate": "Bearer"}
