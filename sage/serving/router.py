"""From the path of a request to what answers it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sage.serving.errors import RequestError, error_body, problem_of
from sage.serving.exchange import Exchange
from sage.serving.installed import needed

__all__ = ["Handler", "Routes", "tell"]

#: Answers a request, given what follows the path that it was registered for.
Handler = Callable[[Exchange, str], Awaitable[None]]


class Routes:
    """Paths, each with its method.

    Args:
        handlers: of each method and path what answers it: ``"GET /health"``. A path that ends in ``/*`` stands for all
            below it. What answers GET answers HEAD, too.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._exact: dict[str, dict[str, Handler]] = {}
        self._below: dict[str, dict[str, Handler]] = {}
        for route, handler in handlers.items():
            method, _, path = route.partition(" ")
            table, path = (self._below, path[:-1]) if path.endswith("/*") else (self._exact, path)
            methods = table.setdefault(path, {})
            methods[method] = handler
            if method == "GET":
                methods["HEAD"] = handler

    def find(self, method: str, path: str) -> tuple[Handler, str]:
        """What answers, and the rest of the path.

        Raises:
            RequestError: nothing does.
        """
        methods, rest = self._at(path, method)
        if not methods:
            there = ", ".join(sorted(path for path, methods in self._exact.items() if "POST" in methods))
            told = f"there is no {path}" + (f"; what can be asked is {there}" if there else "")
            raise RequestError(told, status=404, code="unknown_url")
        if method not in methods:
            allowed = ", ".join(methods)
            raise RequestError(
                f"{path} takes {allowed}, not {method}",
                status=405,
                code="method_not_allowed",
                headers={"allow": allowed},
            )
        return methods[method], rest

    def _at(self, path: str, method: str) -> tuple[Mapping[str, Handler], str]:
        """What is there, and the rest of the path; one that stands for others gives way for other methods only."""
        exact = self._exact.get(path, {})
        if method in exact:
            return exact, ""
        for prefix, methods in self._below.items():
            if path.startswith(prefix) and len(path) > len(prefix):
                return {**exact, **methods}, path[len(prefix) :]
        return exact, ""


async def tell(exchange: Exchange, error: Exception) -> RequestError:
    """Tell the client of an error: as a response, or as an event in the middle of one. Gives what it was told.

    A stream never just stops: clients would take that for its end.

    Cancel safety: the client is told a part of it, or nothing.
    """
    problem = problem_of(error, exchange.id)
    body: Any = needed("msgspec.json").encode(error_body(problem))
    if not exchange.started:
        await exchange.respond(problem.status, body, problem.headers)
    elif exchange.framing is not None and not exchange.ended:
        await exchange.end(exchange.framing.before_error + body + exchange.framing.after)
    return problem
