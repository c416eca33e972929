"""A program as a service: other programs ask one of its endpoints by name, in this process or in others."""

from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sage.errors import GraphError
from sage.graph import Graph
from sage.operators.endpoint import Endpoint
from sage.services.service import Service

if TYPE_CHECKING:
    from sage.jobs import Job

__all__ = ["EndpointService", "endpoint_service"]


class EndpointService(Service):
    """Runs a program, and passes on to one of its endpoints what the service is asked.

    The deadline of a call is that of the request, and a call that is cancelled stops all work on it.
    """

    _start: "Callable[[], Job]"
    _endpoint: str
    _job: "Job"

    async def start(self) -> None:
        """Start the program.

        Cancel safety: what was started is cancelled.
        """
        self._job = await self._start().__aenter__()

    async def stop(self) -> None:
        """Cancel the program: the service takes no more calls, and those inside were answered.

        Cancel safety: the program is cancelled all the same.
        """
        await self._job.__aexit__(None, None, None)

    async def health(self) -> Mapping[str, Any]:
        """Whether the program runs, and how many requests are inside.

        Cancel safety: nothing is awaited.
        """
        return {
            "ok": not self._job.status.is_final,
            "status": str(self._job.status),
            "open_calls": self._job.open_calls,
        }

    async def call(self, value: Any, *, priority: int = 0, key: Hashable = None) -> Any:
        """Ask, and return the one record of the answer; see `Job.call`.

        Cancel safety: cancelling it stops the work.

        Raises:
            NoReply: the answer has no record.
        """
        return await self._job.call(self._endpoint, value, priority=priority, key=key)

    async def stream(self, value: Any, *, priority: int = 0, key: Hashable = None) -> AsyncGenerator[Any, None]:
        """Ask, and read the answer record by record; see `Job.stream`.

        Cancel safety: closing it stops the work.
        """
        async with aclosing(self._job.stream(self._endpoint, value, priority=priority, key=key)) as answer:
            async for record in answer:
                yield record


def endpoint_service(program: str, graph: Graph, endpoint: str, start: "Callable[[], Job]") -> type[EndpointService]:
    """The class of a service that stands for an endpoint of a program.

    Args:
        program: its name.
        graph: what it consists of.
        endpoint: the name of the endpoint.
        start: runs it.

    Raises:
        GraphError: the program has no such endpoint.
    """
    endpoints = [node.operator.name for node in graph.nodes if isinstance(node.operator, Endpoint)]
    if endpoint not in endpoints:
        known = ", ".join(map(repr, endpoints)) or f"none; write env.endpoint({endpoint!r})...reply() first"
        raise GraphError(f"as_service({endpoint!r}): program {program!r} has other endpoints: {known}")
    name = f"{program}.{endpoint}"
    return type(name, (EndpointService,), {"_start": staticmethod(start), "_endpoint": endpoint, "__doc__": name})
