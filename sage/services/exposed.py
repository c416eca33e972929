"""Services that other programs may call: ``sage serve-services FILE``."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from zmq import ZMQError

from sage.errors import GraphError
from sage.services.deadline import carried
from sage.services.described import described
from sage.services.directory import ServiceDirectory
from sage.services.finding import current_services
from sage.services.service import MethodKind
from sage.transports import InvalidChannel, TransportError
from sage.transports.rpc import RpcCall, RpcServer, UnknownMethod
from sage.transports.zmq import CurveServer, KeyPair

__all__ = ["DESCRIBE", "DirectoryHandler", "exposed", "server_keys"]

#: Tells what there is: of each service its methods, and of each method whether it streams.
DESCRIBE = "_describe"


@asynccontextmanager
async def exposed(
    services: ServiceDirectory, address: str, *, curve: CurveServer | None = None
) -> AsyncIterator[RpcServer]:
    """Let other programs call running services while the block runs; see `connect` for the other side.

    Values are carried by the codec, never pickled: classes of the programs' own need `register_type` on both sides.
    Errors go as `described` tells.

    Args:
        services: they have started.
        address: where: ``tcp://127.0.0.1:0`` takes any free port.
        curve: the keys, which an address beyond this machine needs.

    Raises:
        GraphError: the address cannot be, or needs keys.
    """
    try:
        server = RpcServer(DirectoryHandler(services, outgoing=described), address, curve=curve)
        await server.start()
    except (TransportError, ZMQError) as error:
        raise GraphError(f"services cannot be offered at {address!r}: {error}") from error
    try:
        yield server
    finally:
        await server.aclose()


def server_keys(keys: Path | None, clients: Sequence[str]) -> CurveServer | None:
    """The keys of a server, from the file with its pair and the public keys of those it lets in.

    Raises:
        GraphError: they cannot be, or there are clients and no pair.
    """
    if keys is None:
        if clients:
            raise GraphError("there are keys of clients, but the server has none of its own")
        return None
    try:
        return CurveServer.allowing(KeyPair.load(keys), clients)
    except InvalidChannel as error:
        raise GraphError(str(error)) from error


class DirectoryHandler:
    """Implements `RpcHandler`: methods are called ``service.method``.

    Args:
        services: what can be called.
        outgoing: makes of an error what is sent of it.
    """

    def __init__(self, services: ServiceDirectory, outgoing: Callable[[Exception], Exception]) -> None:
        self._services = services
        self._outgoing = outgoing

    def call(self, method: str, args: list[Any], kwargs: dict[str, Any], call: RpcCall) -> Any:
        """See `RpcHandler.call`."""
        methods = self._services.methods()
        if method == DESCRIBE:
            return {name: {one: kind.name for one, kind in of.items()} for name, of in methods.items()}
        service, _, name = method.rpartition(".")
        of = methods.get(service)
        if of == {}:  # it has not started, which it tells itself
            return self._call(service, name, args, kwargs, call.deadline)
        kind = (of or {}).get(name)
        if kind is None:
            there = ", ".join(sorted(f"{one}.{other}" for one, of in methods.items() for other in of)) or "none"
            raise UnknownMethod(f"there is no such method; there are: {there}", method=method)
        if kind is MethodKind.STREAM:
            return self._stream(service, name, args, kwargs, call.deadline)
        return self._call(service, name, args, kwargs, call.deadline)

    async def _call(
        self, service: str, method: str, args: list[Any], kwargs: dict[str, Any], deadline: float | None
    ) -> Any:
        self._begin(deadline)
        try:
            return await self._services.named(service).call(method, tuple(args), kwargs)
        except Exception as error:
            raise self._outgoing(error)  # noqa: B904 - it has its cause

    async def _stream(
        self, service: str, method: str, args: list[Any], kwargs: dict[str, Any], deadline: float | None
    ) -> AsyncIterator[Any]:
        self._begin(deadline)
        try:
            async with aclosing(self._services.named(service).stream(method, tuple(args), kwargs)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            raise self._outgoing(error)  # noqa: B904 - it has its cause

    def _begin(self, deadline: float | None) -> None:
        carried(deadline)
        current_services.set(self._services)  # for services in this process that call others
