"""Services of another program: ``async with sage.connect("tcp://...") as services``."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from sage.errors import GraphError, ServiceUnavailable
from sage.operators.numbers import is_number, seconds
from sage.services.attached import AttachedReplica
from sage.services.definition import ServiceDefinition
from sage.services.described import known_errors
from sage.services.directory import ServiceDirectory
from sage.services.exposed import DESCRIBE
from sage.services.running import RunningService
from sage.services.service import MethodKind, Service
from sage.transports import InvalidChannel, TransportError
from sage.transports.rpc import RpcClient, RpcError, UnknownMethod
from sage.transports.zmq import CurveClient

__all__ = ["connect"]


@asynccontextmanager
async def connect(
    address: str,
    *,
    curve: CurveClient | None = None,
    timeout: float | timedelta = 5.0,
    errors: Iterable[type[Exception]] = (),
) -> AsyncIterator[ServiceDirectory]:
    """The services that another program offers with ``sage serve-services``, for the time of the block.

    ::

        async with sage.connect("tcp://127.0.0.1:5999") as services:
            print(await services["echo"].say("hello"))

    Deadlines and cancellation reach the other program. If it goes away, calls fail with `ServiceUnavailable`; later
    ones connect again. An error arrives as its own type if that is Python's own, sage's, one that this program has
    imported, or one of `errors`; any other as a `ServiceError` that tells its type and text. Nothing is unpickled.

    Args:
        address: where it offers them.
        curve: the keys, which an address beyond this machine needs.
        timeout: seconds, or a timedelta, that it may leave us without an answer before it is unreachable.
        errors: classes of errors that it raises under the same name, whatever their module is there. They are made
            again from arguments and attributes, without `__init__`.

    Raises:
        GraphError: the address or the timeout cannot be, or it needs keys; or `errors` has something that is no class
            of exceptions, or two of one name.
        ServiceUnavailable: nobody answers there.
    """
    length = seconds(timeout)
    if not is_number(length, beyond=True):
        raise GraphError(f"connect({address!r}, timeout={timeout!r}): write seconds, more than 0")
    known = known_errors(errors)
    try:
        client = RpcClient(address, curve=curve, connection_timeout=length)
    except InvalidChannel as error:
        raise GraphError(f"connect({address!r}): {error}") from error
    try:
        try:
            await client.connect()
            described: Mapping[str, Mapping[str, str]] = await client.call(DESCRIBE)
        except UnknownMethod as error:
            raise ServiceUnavailable(
                f"no services at {address}: whoever listens there offers something else"
            ) from error
        except TransportError as error:
            reason = error.reason if isinstance(error, RpcError) else str(error)
            raise ServiceUnavailable(f"no services at {address}: {reason}") from error
        directory = ServiceDirectory()
        for name, methods in described.items():
            directory.enter(_there(name, methods, client, known))
        yield directory
    finally:
        await client.aclose()


def _there(
    name: str, methods: Mapping[str, str], client: RpcClient, known: Mapping[str, type[Exception]]
) -> RunningService:
    replica = AttachedReplica(name, client)
    replica.known = known
    replica.methods = {method: MethodKind[kind] for method, kind in methods.items()}
    running = RunningService(ServiceDefinition(name, Service, place="zmq"), [replica])
    running.came(replica)
    return running
