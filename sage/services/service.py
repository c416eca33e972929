"""What a service is: a class with a life and methods that others call."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

__all__ = ["MethodKind", "Service", "methods_of"]

#: Not called from outside: they belong to the life cycle.
LIFE_CYCLE = frozenset({"start", "stop", "health"})


class Service:
    """Something that operators ask: a model, an index, a database.

    ::

        class Embedder(sage.Service):
            async def start(self): self.model = await load()
            async def embed(self, text: str) -> list[float]: ...
            async def tokens(self, prompt: str):      # an async generator streams its answer
                yield ...

    Every public method that is `async`, or an async generator, can be called. Calls run at the same time, so between
    two awaits a service is its own; across them others may have been there. The order of its life is: made, `start`,
    calls, `stop`.
    """

    async def start(self) -> None:
        """Get ready; no call comes before it has returned.

        Cancel safety: `stop` is called.
        """

    async def stop(self) -> None:
        """Let go of everything; no call comes any more. Called once for each `start`, also when that one failed.

        Cancel safety: it is shielded.
        """

    async def health(self) -> Mapping[str, Any]:
        """How it is; ``"ok"`` tells whether it can be called.

        Cancel safety: nothing is changed.
        """
        return {"ok": True}


class MethodKind(Enum):
    """How a method answers."""

    UNARY = "with one value"
    STREAM = "with a stream of values"


def methods_of(service: type[Service]) -> dict[str, MethodKind]:
    """The methods that can be called, by name."""
    found = {}
    for name in dir(service):
        if name.startswith("_") or name in LIFE_CYCLE:
            continue
        kind = _kind(inspect.getattr_static(service, name))
        if kind is not None:
            found[name] = kind
    return found


def _kind(member: object) -> MethodKind | None:
    function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
    if inspect.isasyncgenfunction(function):
        return MethodKind.STREAM
    if inspect.iscoroutinefunction(function) or getattr(function, "is_service_method", False):
        return MethodKind.UNARY
    return None
