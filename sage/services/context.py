"""What the code of a service may ask about itself, and with."""

import asyncio
import logging
from typing import Any

from sage.kernel import ServiceManager
from sage.started import Started

__all__ = ["ServiceContext"]


class ServiceContext:
    """What `sage.context()` returns inside of a service.

    Args:
        name: the service's name.
        replica_index: which of the replicas, from 0.
        replicas: of how many.
        services: the services of the program, which it may call.

    Attributes:
        logger: logs under the service's name.
    """

    def __init__(self, name: str, replica_index: int, replicas: int, services: ServiceManager) -> None:
        self.name = name
        self.replica_index = replica_index
        self.replicas = replicas
        self.services = services
        self.logger = logging.getLogger(f"sage.service.{name}")
        self._started = Started()

    async def call_service(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a registered service and return its answer.

        Cancel safety: cancelling the call cancels it at the service.
        """
        return await self.services.call(service, method, *args, **kwargs)

    def call_service_async(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> "asyncio.Task[Any]":
        """The same as a task. It ends with this service: it is cancelled before that is stopped."""
        return self._started.start(self.call_service(service, method, *args, **kwargs))

    async def aclose(self) -> None:
        """Cancel the calls that were started and still run, and wait for them.

        Cancel safety: see `Started.cancel`.
        """
        await self._started.cancel()
