"""Descriptors of queues that live at a ZeroMQ socket."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Literal, Self, TypeVar

import zmq

from sage.transports.durations import seconds
from sage.transports.errors import AccessDenied, InvalidChannel, UnreachableChannel
from sage.transports.remote import ConsumerLink, Host, HostedQueueDescriptor
from sage.transports.remote.descriptor import Connected
from sage.transports.zmq.connection import Connection, connect
from sage.transports.zmq.endpoint import Endpoint
from sage.transports.zmq.host import ZmqHost
from sage.transports.zmq.keys import KEYS_VARIABLE, CurveClient, CurveServer, KeyPair, check_key
from sage.transports.zmq.links import ZmqConsumerLink, ZmqSenderLink
from sage.transports.zmq.target import Target
from sage.transports.zmq.wire import Role

__all__ = ["RPCQueueDescriptor"]

T = TypeVar("T")


class RPCQueueDescriptor(HostedQueueDescriptor[T]):
    """Names a queue that is reached over TCP, or over a Unix socket, with ZeroMQ.

    Without a port (or with ``endpoint="ipc://*"``) the queue has no place yet: who uses it first hosts it, and
    `to_dict` tells the place from then on. With one, the queue is reached there, unless `open` hosts it there.

    Beyond the machine itself CURVE keys are needed: without them anyone could put, get and listen. The host has its own
    pair, and lets in the public keys it is told; others have theirs, and know the host's public key, which the
    description brings. Secret keys never travel: who resolves a description has a pair in `keys`, or in the file that
    the environment variable `SAGE_CURVE_KEYS` names. ::

        host = KeyPair.generate()                                                       # once; save() and load() it
        queue = RPCQueueDescriptor("10.0.0.5", keys=host, clients=[worker.public])      # at the host
        queue = resolve_descriptor(description); queue.keys = worker                    # at the worker

    Args:
        host: the address by which others reach the host's machine.
        port: its port, 0 for one that is chosen when the queue is hosted.
        connection_timeout: seconds, or a timedelta, for which an answer of the host is waited for, each time.
        retry_count: how many times more it is tried then.
        enable_pooling: has no effect, and is there for programs written for the original SAGE: each end has one
            connection in any case.
        queue_id: its name; by default one is made.
        maxsize: how many records the queue holds; 0 for no bound. The host's number counts.
        endpoint: the place as one address, instead of `host` and `port`: ``"ipc://*"`` for a Unix socket with a name
            that is chosen when the queue is hosted, ``"ipc://@name"`` for a name that has no file, ``"ipc:///a/path"``.
            Over Unix sockets, only processes of the same user are talked with.
        bind: the address of the interface to listen on, if it is not `host`; stays here.
        allow_pickle: carry values that the codec does not know by pickle. Over TCP only with keys that tell who it is.
        keys: the pair of this process; stays here.
        clients: at the host: the public keys of those who may connect, or ``"any"`` for all who know `server_key`;
            stays here.
        server_key: elsewhere: the host's public key.
        lost_after: after how many seconds (or a timedelta) without a connection the other side counts as dead. Shorter
            cuts of the network are survived. The host's number counts.

    Raises:
        InvalidChannel: a value cannot be, or the queue would be open to others.
    """

    queue_type = "rpc"

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        connection_timeout: float | timedelta = 30.0,
        retry_count: int = 3,
        enable_pooling: bool = True,
        queue_id: str | None = None,
        *,
        maxsize: int = 4096,
        endpoint: str | None = None,
        bind: str | None = None,
        allow_pickle: bool = False,
        keys: KeyPair | None = None,
        clients: Collection[str] | Literal["any"] | None = None,
        server_key: str | None = None,
        lost_after: float | timedelta = 5.0,
    ) -> None:
        super().__init__(maxsize, queue_id, allow_pickle)
        name = self.queue_id
        self._endpoint = Endpoint.tcp(name, host, port) if endpoint is None else Endpoint.parse(name, endpoint)
        self.connection_timeout = seconds(name, "connection_timeout", connection_timeout)
        self.lost_after = seconds(name, "lost_after", lost_after)
        if isinstance(retry_count, bool) or not isinstance(retry_count, int) or retry_count < 0:
            raise InvalidChannel(f"channel {name!r}: retry_count={retry_count!r} is not a number of times")
        self.retry_count = retry_count
        self.enable_pooling = bool(enable_pooling)
        self.keys = keys
        self._bind = bind
        self._clients = clients
        self._server_key = None if server_key is None else check_key(server_key, "server_key")
        self._check_access()

    # -- where it is -------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> Endpoint:
        """Where the queue is; while it is hosted here, the place that was bound."""
        host = self._host_here
        if host is None or self._endpoint.settled:
            return self._endpoint
        bound = Endpoint.parse(self.queue_id, host.metadata["endpoint"])
        return bound if bound.path else self._endpoint._replace(port=bound.port)

    @property
    def host(self) -> str:
        """The address of the host's machine; empty for a Unix socket."""
        return self.endpoint.host

    @property
    def port(self) -> int:
        """The host's port; 0 while none is chosen, and for a Unix socket."""
        return self.endpoint.port

    @property
    def address(self) -> str:
        """The place as ZeroMQ writes it."""
        return str(self.endpoint)

    @property
    def hosted_elsewhere(self) -> bool:
        """See `QueueDescriptor.hosted_elsewhere`."""
        return self._host_here is None and self._endpoint.settled

    # -- how it travels ----------------------------------------------------------------------------------------------

    @property
    def metadata(self) -> dict[str, Any]:
        """See `ChannelDescriptor.metadata`: the place, the bound and the limits; never a secret."""
        endpoint = self.endpoint
        place = {"endpoint": str(endpoint)} if endpoint.path else {"host": endpoint.host, "port": endpoint.port}
        server_key = self.server_key
        return {
            **place,
            "maxsize": self.maxsize,
            "connection_timeout": self.connection_timeout,
            "retry_count": self.retry_count,
            "enable_pooling": self.enable_pooling,
            "allow_pickle": self.allow_pickle,
            "lost_after": self.lost_after,
            **({} if server_key is None else {"server_key": server_key}),
        }

    @classmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        """See `ChannelDescriptor.from_metadata`."""
        return cls(queue_id=queue_id, **{name: metadata[name] for name in _TRAVELS if name in metadata})

    @property
    def server_key(self) -> str | None:
        """The host's public key; `None` for a host without keys."""
        if self._server_key is None and self._clients is not None and self.keys is not None:
            return self.keys.public
        return self._server_key

    def clone(self, new_queue_id: str | None = None) -> Self:
        """See `QueueDescriptor.clone`. The keys go along."""
        twin = super().clone(new_queue_id)
        twin.keys, twin._clients, twin._bind = self.keys, self._clients, self._bind
        if self._server_key is None:
            twin._server_key = None
        return twin

    def _metadata_of_another(self) -> dict[str, Any]:
        endpoint = self._endpoint.unsettled()
        place = {"endpoint": str(endpoint)} if endpoint.path else {"host": endpoint.host, "port": 0}
        return {**self.metadata, **place}

    # -- opening -----------------------------------------------------------------------------------------------------

    async def _serve(self) -> Host:
        """See `HostedQueueDescriptor._serve`.

        Cancel safety: when cancelled, nothing stays open.
        """
        if self._server_key is not None:
            raise UnreachableChannel(
                "it has a server_key, so its host is elsewhere; to host it, give keys= and clients= instead",
                channel=self.name,
                address=self.address,
            )
        try:
            endpoint = self._endpoint
            # Names of other machines may have to be asked for somewhere.
            find = partial(endpoint.bindable, self._bind)
            address = find() if endpoint.local else await asyncio.to_thread(find)
            return ZmqHost.open(
                self.queue_id,
                address,
                self.capacity,
                codec=self.codec,
                curve=self._curve_server(),
                lost_after=self.lost_after,
            )
        except (OSError, zmq.ZMQError) as error:
            raise UnreachableChannel(
                f"it cannot be hosted here: {error}", channel=self.name, address=self.address
            ) from error

    async def _connect_sender(self, sender_id: str | None) -> Connected:
        """See `HostedQueueDescriptor._connect_sender`.

        Cancel safety: when cancelled, nothing stays open.
        """
        connection = await self._connect(Role.SENDER, sender_id)
        return Connected(ZmqSenderLink(connection), connection.capacity, connection.received)

    async def _connect_consumer(self) -> tuple[ConsumerLink, int | None]:
        """See `HostedQueueDescriptor._connect_consumer`.

        Cancel safety: when cancelled, nothing stays open.
        """
        connection = await self._connect(Role.CONSUMER, None)
        return ZmqConsumerLink(connection, self.codec, self.name, self.address), connection.capacity

    async def _connect(self, role: Role, sender_id: str | None) -> Connection:
        if not self.endpoint.settled:
            raise UnreachableChannel(
                "nobody hosts it yet: await open() where it is to live, and send what to_dict() gives then",
                channel=self.name,
                address=self.address,
            )
        target = Target(
            self.queue_id,
            self.address,
            self._curve_client(),
            self.codec.max_bytes,
            self.connection_timeout,
            self.retry_count + 1,
        )
        return await connect(target, role, sender_id)

    # -- who may come in ---------------------------------------------------------------------------------------------

    def _check_access(self) -> None:
        """Refuse what would let anybody in, or run anybody's code."""
        name, endpoint = self.queue_id, self._endpoint
        if self._clients is not None and self.keys is None:
            raise InvalidChannel(f"channel {name!r}: clients= is for a host with keys; add keys=KeyPair.load(path)")
        if self._clients is not None and self._clients != "any":
            self._curve_server()
        if self._clients is None and self._server_key is None:
            if self.keys is not None:
                raise InvalidChannel(
                    f"channel {name!r}: keys= alone does not say whom to let in; a host adds clients=[public keys], or "
                    f"clients='any', and the others server_key=, the host's public key"
                )
            if not endpoint.local:
                raise InvalidChannel(
                    f"channel {name!r}: {endpoint} can be reached from other machines, so it needs keys: at the host, "
                    f"keys=KeyPair.generate(), clients=[public keys of the others]; elsewhere keys= and server_key="
                )
            if self._bind is not None and not endpoint._replace(host=self._bind).local:
                raise InvalidChannel(f"channel {name!r}: bind={self._bind!r} needs keys= and clients=, as it is open")
        if self.allow_pickle and not endpoint.path and (self._clients in (None, "any") and self._server_key is None):
            raise InvalidChannel(
                f"channel {name!r}: allow_pickle=True runs code that others send, and over TCP nobody knows who they "
                f"are without keys; give keys= and clients=[public keys], or use endpoint='ipc://*'"
            )

    def _curve_server(self) -> CurveServer | None:
        if self._clients is None or self.keys is None:
            return None
        if self._clients == "any":
            return CurveServer(self.keys, None)
        return CurveServer.allowing(self.keys, self._clients)

    def _curve_client(self) -> CurveClient | None:
        server_key = self.server_key
        if server_key is None:
            return None
        keys = self.keys or KeyPair.of_this_process()
        if keys is None:
            raise AccessDenied(
                f"its host wants CURVE keys; set keys= to the pair of this process, or {KEYS_VARIABLE} to its file",
                channel=self.name,
                address=self.address,
            )
        return CurveClient(keys, server_key)


_TRAVELS = (
    "host",
    "port",
    "endpoint",
    "maxsize",
    "connection_timeout",
    "retry_count",
    "enable_pooling",
    "allow_pickle",
    "lost_after",
    "server_key",
)
