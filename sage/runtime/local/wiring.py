"""Opens the channels that join the tasks of a job, and closes what is still open when the job is over."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import anyio

from sage.graph import Link
from sage.runtime.channels import Channels
from sage.runtime.gate import Input
from sage.runtime.router import Output
from sage.transports import ReceiveChannel, SendChannel, TransportError

__all__ = ["Place", "Wiring"]

_logger = logging.getLogger("sage.runtime")

# A subtask: the number of its node, and its index.
Place = tuple[int, int]


class Wiring:
    """The ends of all channels of a job, by the subtask that holds them; use it as an async context manager.

    Tasks close their ends themselves. What is left when the block is left, after a failure say, is closed here.

    Args:
        channels: describes channels.
        capacity: how many records a bounded channel holds.
    """

    def __init__(self, channels: Channels, capacity: int) -> None:
        self.inputs: defaultdict[Place, list[Input]] = defaultdict(list)
        self.outputs: defaultdict[Place, list[Output]] = defaultdict(list)
        self._routes: defaultdict[Place, list[tuple[Output, list[tuple[Place, Input]]]]] = defaultdict(list)
        self._channels = channels
        self._capacity = capacity
        self._senders: list[SendChannel[Any]] = []
        self._receivers: list[ReceiveChannel[Any]] = []

    async def connect(self, link: Link) -> None:
        """Open the channels of one edge.

        Cancel safety: what was opened is closed with the block.
        """
        edge = link.edge
        for sender, receivers in enumerate(link.receivers):
            ends = [await self._open(link, sender, receiver) for receiver in receivers]
            output = Output([sending for sending, _ in ends], link.partitioning, edge.output, link.loop)
            self.outputs[edge.sender, sender].append(output)
            entries = [((edge.receiver, receiver), entry) for receiver, (_, entry) in zip(receivers, ends, strict=True)]
            self._routes[edge.sender, sender].append((output, entries))

    def routes(self, sender: Place) -> Sequence[tuple[Output, Sequence[tuple[Place, Input]]]]:
        """The outputs of a subtask, each with the subtasks that read it and their inputs, in the order of channels."""
        return self._routes[sender]

    async def _open(self, link: Link, sender: int, receiver: int) -> tuple[SendChannel[Any], Input]:
        edge = link.edge
        name = f"{edge.sender}[{sender}]→{edge.receiver}[{receiver}]"
        descriptor = self._channels.channel(name, self._capacity if edge.bounded else None)
        receiving = await descriptor.open_receiver()
        self._receivers.append(receiving)
        entry = Input(receiving, edge.port)
        self.inputs[edge.receiver, receiver].append(entry)
        sending: SendChannel[Any] = await self._channels.for_sender(descriptor).open_sender()
        self._senders.append(sending)
        return sending, entry

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Receivers last: while they are open, they answer the senders that end.
        with anyio.CancelScope(shield=True):
            await _close(self._senders)
            await _close(self._receivers)


async def _close(ends: Sequence[SendChannel[Any] | ReceiveChannel[Any]]) -> None:
    for end in ends:
        try:
            await end.aclose()
        except TransportError as error:  # the job has failed, and tells why: this follows from it
            _logger.warning("a channel could not be closed in order: %s", error)
