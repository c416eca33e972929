"""The gate of a task with several input channels.

Batches come out in the order in which channels have something, one channel after the other, so none starves. Marks
are merged:

* watermarks: the lowest of all channels counts;
* barriers: a channel that has delivered one is not read until all have, and backpressure does the rest;
* probes of a feedback loop: forwarded once every channel has delivered one or has ended, but nothing is held up for
  them;
* ends: one for each channel; when all have come, the task's input has ended.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sage.operators.elements import Barrier, Batch, EndOfStream, Watermark
from sage.runtime.feedback import Probe
from sage.runtime.gate import Gate, GateElement, Input, joined

__all__ = ["MergingGate"]


class _Merged:
    """An input channel, and how far it has come."""

    __slots__ = ("barrier", "buffer", "channel", "ended", "fresh", "port", "probe", "queued", "watermark")

    def __init__(self, entry: Input) -> None:
        self.channel = entry.channel
        self.port = entry.port
        self.ended = False
        #: The highest watermark so far, in microseconds; `None` before the first.
        self.watermark: int | None = None
        #: Delivered and not aligned yet: what lies behind it may not be read.
        self.barrier: Barrier | None = None
        #: Delivered and not aligned yet.
        self.probe: Probe | None = None
        #: Whether it stands in the gate's line of inputs that have something.
        self.queued = False
        #: Whether the channel has told of something since it was last drained.
        self.fresh = False
        #: Drained from the channel, with their places still taken.
        self.buffer: deque[Any] = deque()


class MergingGate(Gate):
    """Several inputs.

    Args:
        inputs: its channels, at least one.
        wake: called when something has arrived.
        batch_size: how many records a joined batch may hold.
    """

    def __init__(self, inputs: Sequence[Input], wake: Callable[[], None], batch_size: int) -> None:
        super().__init__(inputs)
        self._wake = wake
        self._batch_size = batch_size
        # `ready` holds the inputs that may have something, in the order of arrival.
        self._merged = [_Merged(entry) for entry in inputs]
        self._by_input = dict(zip(inputs, self._merged, strict=True))
        # Marks that are merged and wait to be given out.
        self._due: deque[GateElement] = deque()
        self._watermark: int | None = None
        for merged in self._merged:
            merged.channel.listen(self._listener(merged))

    def next(self) -> GateElement | None:
        """See `Gate.next`."""
        line = self.ready
        while not self._due:
            if not line:
                return None
            entry = line[0]
            buffer = entry.buffer
            if entry.fresh and not buffer and not entry.ended:
                entry.fresh = False
                buffer.extend(entry.channel.drain())
            if not buffer or entry.barrier is not None:
                line.popleft()
                entry.queued = False
                continue
            element = buffer.popleft()
            if type(element) is not Batch:
                self._mark(entry, element)
                continue
            if buffer:
                element = joined(element, buffer, self._batch_size)
            entry.channel.release(len(element.values))
            if not (buffer or entry.fresh):  # the channel will tell when that changes
                line.popleft()
                entry.queued = False
            elif len(line) > 1:
                line.rotate(-1)
            self.port = entry.port
            return element
        return self._due.popleft()

    def free(self, entry: Input) -> bool:
        """See `Gate.free`: what comes behind a barrier that is not aligned must wait."""
        merged = self._by_input[entry]
        return merged.barrier is None and not merged.buffer

    def _listener(self, entry: _Merged) -> Callable[[], None]:
        line, wake = self.ready, self._wake

        def arrived() -> None:
            entry.fresh = True
            if not entry.queued:
                entry.queued = True
                line.append(entry)
                wake()

        return arrived

    def _mark(self, entry: _Merged, element: Any) -> None:
        if isinstance(element, Watermark):
            if entry.watermark is None or element.timestamp > entry.watermark:
                entry.watermark = element.timestamp
        elif isinstance(element, Barrier):
            entry.barrier = element
        elif isinstance(element, Probe):
            entry.probe = element
        else:
            entry.ended = True
        self._align()

    def _align(self) -> None:
        """Give out what has now arrived from all inputs."""
        inputs = [entry for entry in self._merged if not entry.ended]
        self._align_watermark(inputs)
        if inputs:
            self._align_barrier(inputs)
            self._align_probe(inputs)
        else:
            self._due.append(EndOfStream())

    def _align_watermark(self, inputs: Sequence[_Merged]) -> None:
        known = [entry.watermark for entry in inputs if entry.watermark is not None]
        if inputs and len(known) == len(inputs):
            lowest = min(known)
            if self._watermark is None or lowest > self._watermark:
                self._watermark = lowest
                self._due.append(Watermark(lowest))

    def _align_barrier(self, inputs: Sequence[_Merged]) -> None:
        barriers = [entry.barrier for entry in inputs]
        if barriers[0] is not None and None not in barriers:
            self._due.append(barriers[0])
            for entry in inputs:
                entry.barrier = None
                if not entry.queued:  # what waits behind the barrier may be read again
                    entry.queued = True
                    self.ready.append(entry)

    def _align_probe(self, inputs: Sequence[_Merged]) -> None:
        probes = [entry.probe for entry in inputs]
        if probes[0] is not None and None not in probes:
            self._due.append(probes[0])
            for entry in inputs:
                entry.probe = None
