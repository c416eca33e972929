"""Queues that are held by an actor of a Ray cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

from sage.transports.channel import SendChannel
from sage.transports.codec import Codec
from sage.transports.errors import ClosedChannel, ConnectError, InvalidChannel, ReceiverTaken
from sage.transports.getters import Getters
from sage.transports.place import Place
from sage.transports.queue import QueueDescriptor
from sage.transports.ray.actor import CONCURRENCY, QueueActor
from sage.transports.ray.cluster import ensure_ray_initialized, load_ray
from sage.transports.ray.errors import ClusterError
from sage.transports.ray.line import Line
from sage.transports.ray.receiver import RayReceiver
from sage.transports.ray.sender import RaySender
from sage.transports.ray.standing import Board

__all__ = ["RayQueueDescriptor"]

T = TypeVar("T")
End = TypeVar("End")

# Actors of queues are found by name in here, from every job of the cluster.
_NAMESPACE = "sage"
# How long a queue that is closed stays, so that all its ends learn that by its name. Who is too busy to listen for so
# long takes it for broken.
_FAREWELL_SECONDS = 2.0


class Held(NamedTuple):
    """What the descriptors of a queue share in a process."""

    actor: Any
    board: Board
    #: The actor was started here, and lives as long as this.
    own: bool


class RayQueueDescriptor(QueueDescriptor[T]):
    """Names a queue in a Ray cluster. It is held by an actor of its own, so all who use it are peers.

    The process that opens it owns the actor: the queue ends when that closes it or dies, whoever else uses it. Open it
    first where it is to stay, then send its description to the others.

    Args:
        maxsize: how many records the queue holds; 0 for no bound.
        queue_id: its name in the cluster; by default one is made.
        address: the cluster, for a process that is part of none yet; see `ensure_ray_initialized`.
        allow_pickle: carry values that the codec does not know by pickle. Reading a pickle runs code of the sender.

    Raises:
        InvalidChannel: the bound, the name or the address cannot be.
    """

    queue_type = "ray"

    def __init__(
        self,
        maxsize: int = 8192,
        queue_id: str | None = None,
        *,
        address: str | None = None,
        allow_pickle: bool = False,
    ) -> None:
        super().__init__(maxsize, queue_id)
        if address is not None and not isinstance(address, str):
            raise InvalidChannel(f"channel {self.queue_id!r}: address={address!r} is not a str")
        self.cluster = address
        self.allow_pickle = bool(allow_pickle)
        # Whether somebody hosts the queue, as far as the description or a look-up told.
        self._hosted = False

    @property
    def address(self) -> str:
        """``ray://``, the namespace and the name of the actor."""
        return f"ray://{_NAMESPACE}/{self.queue_id}"

    @property
    def metadata(self) -> dict[str, Any]:
        """The bound, the cluster, whether pickle is allowed, and whether the queue is hosted."""
        return {
            "maxsize": self.maxsize,
            "address": self.cluster,
            "allow_pickle": self.allow_pickle,
            "hosted": self._hosted or self._place.host is not None,
        }

    @classmethod
    def from_metadata(cls, queue_id: str, metadata: Mapping[str, Any]) -> Self:
        """See `ChannelDescriptor.from_metadata`."""
        descriptor = cls(
            metadata.get("maxsize", 8192),
            queue_id,
            address=metadata.get("address"),
            allow_pickle=metadata.get("allow_pickle", False),
        )
        descriptor._hosted = bool(metadata.get("hosted", False))
        return descriptor

    @property
    def hosted_elsewhere(self) -> bool:
        """See `QueueDescriptor.hosted_elsewhere`."""
        return self._hosted and not self._place.hosts

    async def open_receiver(self) -> RayReceiver[T]:
        """See `ChannelDescriptor.open_receiver`. Ray is joined, or started, if need be.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            RayNotInstalled: Ray is not installed.
        """
        self._enter_place()
        place = self._place
        if place.host is not None:
            raise self._error(ReceiverTaken, "the queue is open already, or was; describe another")
        await self._join_cluster()
        # The actor lives as long as this handle.
        actor = await asyncio.to_thread(self._make_actor)
        held = Held(actor, Board(), own=True)
        line, capacity = await Line.to(actor, held.board, self.name, self.address, "host")
        place.host = held
        return RayReceiver(self.name, self.address, capacity, line, self._codec, partial(_close_queue, place, actor))

    async def open_sender(self) -> RaySender[T]:
        """See `ChannelDescriptor.open_sender`.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            RayNotInstalled: Ray is not installed.
            ConnectError: no queue of this name is open in the cluster.
        """
        line, capacity = await self._line("sender")
        return RaySender(self.name, self.address, capacity, line, self._codec)

    async def open_consumer(self) -> RayReceiver[T]:
        """See `QueueDescriptor.open_consumer`.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            RayNotInstalled: Ray is not installed.
        """
        line, capacity = await self._line("consumer")
        return RayReceiver(self.name, self.address, capacity, line, self._codec)

    def qsize(self) -> int:
        """See `QueueDescriptor.qsize`: as the actor last told, and what was done in this process since."""
        held: Held | None = self._place.host
        return 0 if held is None or self._place.closed else held.board.queued

    @property
    def _codec(self) -> Codec:
        return Codec(pickle=self.allow_pickle)

    def _metadata_of_another(self) -> dict[str, Any]:
        return {**self.metadata, "hosted": False}

    # -- a queue that was described before it was opened, and is used by many: the first one hosts it -----------------

    async def _open_sender(self) -> SendChannel[T]:
        return await self._as_guest_if_taken(super()._open_sender)

    async def _open_getters(self) -> Getters[T]:
        return await self._as_guest_if_taken(super()._open_getters)

    async def _as_guest_if_taken(self, open_end: Callable[[], Awaitable[End]]) -> End:
        if not (self._hosted or self._place.host or self._place.closed):
            self._hosted = await self._find_actor() is not None
        try:
            return await open_end()
        except ReceiverTaken:  # somebody was quicker
            if self._hosted:
                raise
            self._hosted = True
            return await open_end()

    # -- the actor ---------------------------------------------------------------------------------------------------

    async def _line(self, role: str) -> tuple[Line, int | None]:
        self._enter_place()
        place = self._place
        if place.closed:
            raise self._error(ClosedChannel, "its host has closed it")
        if place.host is None:
            actor = await self._find_actor()
            if actor is None:
                raise self._error(
                    ConnectError,
                    "no queue of this name is open in the cluster; open() it in the process it is to live with",
                )
            place.host = Held(actor, Board(), own=False)
        held: Held = place.host
        try:
            return await Line.to(held.actor, held.board, self.name, self.address, role)
        except ConnectError:
            if not held.own:  # next time, look for it again
                place.host = None
            raise

    async def _join_cluster(self) -> None:
        if not load_ray().is_initialized():
            try:
                await asyncio.to_thread(ensure_ray_initialized, self.cluster)
            except ClusterError as error:
                raise self._error(ConnectError, str(error)) from error

    async def _find_actor(self) -> Any:
        """The actor's handle; `None` if there is no such actor."""
        await self._join_cluster()
        try:
            return await asyncio.to_thread(load_ray().get_actor, self.queue_id, _NAMESPACE)
        except ValueError:
            return None

    def _make_actor(self) -> Any:
        """Start the actor, on this machine if there is room, and return its handle."""
        ray = load_ray()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        actor = ray.remote(QueueActor).options(
            name=self.queue_id,
            namespace=_NAMESPACE,
            num_cpus=0,
            max_concurrency=CONCURRENCY,
            scheduling_strategy=here,
        )
        try:
            return actor.remote(self.name, self.address, self.capacity)
        except ValueError as error:
            raise self._error(ReceiverTaken, f"a queue of this name is open in the cluster: {error}") from error


async def _close_queue(place: Place[Any], actor: Any) -> None:
    """Tell all ends that the queue is closed, and end its actor."""
    ray = load_ray()
    place.closed = True
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await actor.close.remote()
    except TimeoutError:
        return  # somebody does not listen, and is not waited for any longer
    except ray.exceptions.RayError:
        return  # it died before, as all ends have learned
    finally:
        ray.kill(actor)
