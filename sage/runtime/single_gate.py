"""The gate of a task with one input channel: nothing to merge, so every mark is passed on as it comes."""

from collections.abc import Callable
from typing import Any

from sage.operators.elements import Batch, EndOfStream, Watermark
from sage.runtime.gate import Gate, GateElement, Input, joined

__all__ = ["SingleGate"]


class SingleGate(Gate):
    """One input.

    Args:
        entry: its channel.
        wake: called when something has arrived.
        batch_size: how many records a joined batch may hold.
    """

    def __init__(self, entry: Input, wake: Callable[[], None], batch_size: int) -> None:
        super().__init__([entry])
        self._channel = entry.channel
        self._batch_size = batch_size
        self._watermark: Watermark | None = None
        self._ended = False
        entry.channel.listen(wake)

    def next(self) -> GateElement | None:
        """See `Gate.next`."""
        drained = self.ready  # their places are still taken
        while True:
            if drained:
                element = drained.popleft()
            elif self._ended:
                return None
            else:
                arrived = self._channel.drain()
                if len(arrived) != 1:
                    if not arrived:
                        return None
                    drained.extend(arrived)
                    continue
                element = arrived[0]
            if type(element) is Batch:
                if drained:
                    element = joined(element, drained, self._batch_size)
                self._channel.release(len(element.values))
                return element
            if self._passes(element):
                return element  # type: ignore[no-any-return]  # what is sent into a channel is an element

    def _passes(self, mark: Any) -> bool:
        if isinstance(mark, Watermark):
            if self._watermark is not None and mark.timestamp <= self._watermark.timestamp:
                return False
            self._watermark = mark
        elif isinstance(mark, EndOfStream):
            self._ended = True
        return True
