"""How code finds the services of the program that it runs in."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sage.errors import UnknownService
from sage.services.service import Service

if TYPE_CHECKING:
    from sage.services.directory import ServiceDirectory

__all__ = ["current_services", "service"]

S = TypeVar("S", bound=Service)

current_services: ContextVar["ServiceDirectory"] = ContextVar("sage.services")


@overload
def service(which: str) -> Any: ...
@overload
def service(which: type[S]) -> S: ...
def service(which: str | type[S]) -> Any:
    """A service of the running program, by the name or the class it was registered with.

    ``await sage.service("embedder").embed(text)``; with ``sage.service(Embedder)`` checkers know the methods.

    Raises:
        UnknownService: there is none, or the class is registered under several names.
        LookupError: no program with services runs here.
    """
    try:
        services = current_services.get()
    except LookupError:
        raise UnknownService(
            f"sage.service({which!r}): no program with services runs here; it is for functions that operators call, "
            f"and inside of `async with env.services()`"
        ) from None
    return services.find(which)
