"""The inputs of a task as one: the contract, and what every gate does.

`SingleGate` is for one input channel, the usual case; `MergingGate` for several. Either way small batches that have
piled up are joined, so a task that is behind catches up in large ones.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark, concat
from sage.runtime.feedback import Probe
from sage.transports import ReceiveChannel

__all__ = ["Gate", "GateElement", "Input", "joined"]

GateElement = Batch[Any] | Watermark | Barrier | Probe | EndOfStream


class Input:
    """One input channel of a task.

    Args:
        channel: where elements come from.
        port: at which of the operator's inputs.
    """

    __slots__ = ("channel", "port")

    def __init__(self, channel: ReceiveChannel[Any], port: int) -> None:
        self.channel = channel
        self.port = port


class Gate(ABC):
    """What a task reads.

    Args:
        inputs: its channels, at least one.

    Attributes:
        port: at which of the operator's inputs the last batch arrived.
        ready: true while there may be something that no wake-up will tell of; seen as a truth value only.
    """

    def __init__(self, inputs: Sequence[Input]) -> None:
        self.inputs = inputs
        self.port = inputs[0].port
        self.ready: deque[Any] = deque()

    @abstractmethod
    def next(self) -> GateElement | None:
        """The next element for the operator; `None` when nothing is there now."""

    def free(self, entry: Input) -> bool:
        """Whether a batch of this input would be the next element, when nothing is there now."""
        return True

    async def aclose(self) -> None:
        """Want nothing more from any channel.

        Cancel safety: channels that were not reached stay open; the caller closes again.
        """
        for entry in self.inputs:
            await entry.channel.aclose()


def joined(first: Batch[Any], following: deque[Any], limit: int) -> Batch[Any]:
    """The batch with those of `following` that come right behind it, up to `limit` records; they are taken out."""
    parts, records = [first], len(first.values)
    while following and type(following[0]) is Batch:
        batch: Batch[Any] = following[0]
        records += len(batch.values)
        if records > limit or not first.same_columns(batch):
            break
        parts.append(following.popleft())
    return concat(parts)
