"""Sends what an operator emits to the subtasks that read it.

`offer` sends as far as there is room now, without waiting: the usual case, and the only one on the hot path. What did
not fit is held and `flush` waits for it, so the operator feels the slowest of its readers.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sage.graph.partitioning import Custom, Partitioning
from sage.operators.calls import entered, left
from sage.operators.elements import Batch, EndOfStream
from sage.operators.errors import RecordFailed, shorten
from sage.operators.policies import DEAD_LETTERS
from sage.runtime.partition import partitioner
from sage.transports import CodecError, ReceiverClosed, SendChannel

__all__ = ["Output", "Router"]

_logger = logging.getLogger("sage.runtime")


class Output:
    """One edge, as one sending subtask has it.

    Args:
        senders: its channels, one for each subtask that it may send to.
        partitioning: how records are spread over them.
        output: which side output of the operator feeds it; `None` for the main one.
        loop: the feedback loop that the edge lies on, if it does.
    """

    def __init__(
        self, senders: Sequence[SendChannel[Any]], partitioning: Partitioning, output: str | None, loop: int | None
    ) -> None:
        self.senders: list[SendChannel[Any] | None] = list(senders)
        #: For each of them, what has the receiving task work on a batch at once and tells whether it did, if it can.
        self.takers: list[Callable[[Batch[Any]], bool] | None] = [None] * len(senders)
        self.split = partitioner(partitioning, len(senders)).split
        #: Whether even a single receiver must be chosen (a custom choice may be wrong).
        self.chooses = isinstance(partitioning, Custom)
        self.output = output
        self.loop = loop

    @property
    def open_senders(self) -> list[SendChannel[Any]]:
        """The channels whose receivers still want something."""
        return [sender for sender in self.senders if sender is not None]


class Router:
    """All outputs of one subtask.

    Args:
        name: the operator's name, for log lines.
        outputs: its edges.
        wake: lets the task look around; called when a reader wants nothing more.

    Attributes:
        dropped: records for side outputs that nobody reads.
        moving: the calls of the records that the task works on. What is emitted with the same column takes their place,
            once; all else that is emitted is counted anew.
        all_closed: whether there were readers and all of them want nothing more.
    """

    def __init__(self, name: str, outputs: Sequence[Output], wake: Callable[[], None]) -> None:
        self.dropped = 0
        self.all_closed = False
        self.moving: list[Any] | None = None
        self._name = name
        self._ended = False
        self._outputs = outputs
        self._by_name: dict[str | None, list[Output]] = {None: []}
        for output in outputs:
            for index, sender in enumerate(output.open_senders):
                sender.on_unwanted(self._watcher(output, index, wake))
            self._by_name.setdefault(output.output, []).append(output)
        # What did not fit, in order: the output, the index of its sender, the element.
        self._stuck: list[tuple[Output, int, Batch[Any]]] = []
        # The one reader of the main output, where there is only one: the usual case.
        main = self._by_name[None]
        self._only = (
            main[0].senders[0] if len(main) == 1 and len(main[0].senders) == 1 and not main[0].chooses else None
        )
        self._taker: Callable[[Batch[Any]], bool] | None = None

    def join(self, edge: Output, index: int, taker: Callable[[Batch[Any]], bool]) -> None:
        """Offer batches for a receiver to `taker` before they are sent."""
        edge.takers[index] = taker
        if self._only is not None and edge is self._by_name[None][0]:
            self._taker = taker

    @property
    def holds_back(self) -> bool:
        """Whether something waits for a `flush`."""
        return bool(self._stuck)

    def offer(self, batch: Batch[Any], output: str | None = None) -> bool:
        """See `MessageRouter.offer`. Call `flush` before the next one if it returns False.

        Raises:
            RecordFailed: a custom partitioning failed on a record. One of a call fails its call, and nothing else.
            CodecError: a record cannot be encoded. The same holds.
        """
        only = self._only
        if only is not None and output is None:
            # As `_send`, written out: most operators have one reader, and nearly all records go through here.
            calls = batch.calls
            if calls is not None:
                self._count(calls)
            taker = self._taker
            if taker is not None and taker(batch):
                return True
            try:
                if only.try_send(batch, len(batch.values)):
                    return True
            except ReceiverClosed:
                self._closed(self._by_name[None][0], 0)
                if calls is not None:
                    left(calls)
                return True
            except CodecError as error:
                self._stuck += self._one_by_one(self._by_name[None][0], 0, batch, error)
                return not self._stuck
            self._stuck.append((self._by_name[None][0], 0, batch))
            return False
        edges = self._by_name.get(output)
        if edges is None:
            self._drop(batch, output)
            return True
        if batch.calls is not None:
            # All parts are counted before the first goes: it may be answered on the spot, and its call end with it.
            parts = [(edge, index, part) for edge in edges for index, part in self._split(edge, batch)]
            for _, _, part in parts:
                assert part.calls is not None, "every part of a batch with calls has its own"
                self._count(part.calls)
            for edge, index, part in parts:
                self._send(edge, index, part)
        else:
            for edge in edges:
                for index, part in self._split(edge, batch):
                    self._send(edge, index, part)
        return not self._stuck

    async def flush(self) -> None:
        """See `MessageRouter.flush`.

        Cancel safety: when cancelled, what was not sent is still held for the next `flush`.
        """
        while self._stuck:
            edge, index, part = self._stuck[0]
            sender = edge.senders[index]
            sent = False
            if sender is not None:
                try:
                    await sender.send(part, len(part))
                    sent = True
                except ReceiverClosed:
                    self._closed(edge, index)
                except CodecError as error:
                    self._stuck[:1] = self._one_by_one(edge, index, part, error)
                    continue
            del self._stuck[0]
            if not sent and part.calls is not None:
                left(part.calls)

    def mark(self, element: Any, *, loop: int | None = None) -> None:
        """Send a mark (watermark, barrier, probe) behind all that was emitted, on every channel.

        Args:
            element: the mark; it holds no record, so there is always room.
            loop: only on the edges of this feedback loop.
        """
        assert not self._stuck, "a mark must not overtake what was emitted before it"
        for edge in self._outputs:
            if loop is None or edge.loop == loop:
                self._mark(edge, element)

    async def end(self) -> None:
        """Send the end of stream everywhere, and close the channels; a second time is harmless.

        Cancel safety: channels that were not reached are not ended; the job is being cancelled then.
        """
        if self._ended:
            return
        self._ended = True
        self.mark(EndOfStream())
        for edge in self._outputs:
            for sender in edge.open_senders:
                await sender.aclose()

    def _send(self, edge: Output, index: int, part: Batch[Any]) -> bool:
        """Send a part, which has been counted, if there is room, else hold it; tell whether it is off our hands."""
        sender = edge.senders[index]
        if sender is None:
            if part.calls is not None:
                left(part.calls)
            return True
        taker = edge.takers[index]
        if taker is not None and taker(part):
            return True
        try:
            if sender.try_send(part, len(part.values)):
                return True
        except ReceiverClosed:
            self._closed(edge, index)
            if part.calls is not None:
                left(part.calls)
            return True
        except CodecError as error:
            self._stuck += self._one_by_one(edge, index, part, error)
            return not self._stuck
        self._stuck.append((edge, index, part))
        return False

    def _split(self, edge: Output, batch: Batch[Any]) -> Iterable[tuple[int, Batch[Any]]]:
        try:
            return edge.split(batch)
        except RecordFailed:
            if batch.calls is None:
                raise
        parts: list[tuple[int, Batch[Any]]] = []
        for row, call in enumerate(batch.calls):
            try:
                parts += edge.split(batch.slice(row, row + 1))
            except RecordFailed as error:
                call.fail(error.cause, self._name)
        return parts

    def _one_by_one(
        self, edge: Output, index: int, part: Batch[Any], error: CodecError
    ) -> list[tuple[Output, int, Batch[Any]]]:
        """What to send of a part that cannot be encoded, and whose records were counted: each alone, to find which."""
        if part.calls is None:
            raise error
        if len(part) > 1:
            return [(edge, index, part.slice(row, row + 1)) for row in range(len(part))]
        part.calls[0].fail(error, self._name)
        left(part.calls)
        return []

    def _count(self, calls: list[Any]) -> None:
        if calls is self.moving:
            self.moving = None
        else:
            entered(calls)

    def _mark(self, edge: Output, element: Any) -> None:
        for index, sender in enumerate(edge.senders):
            if sender is not None:
                try:
                    sender.try_send(element, 0)
                except ReceiverClosed:
                    self._closed(edge, index)

    def _watcher(self, edge: Output, index: int, wake: Callable[[], None]) -> Callable[[], None]:
        def unwanted() -> None:
            self._closed(edge, index)
            wake()

        return unwanted

    def _closed(self, edge: Output, index: int) -> None:
        edge.senders[index] = None
        self._only = None
        self.all_closed = not any(output.open_senders for output in self._outputs)

    def _drop(self, batch: Batch[Any], output: str | None) -> None:
        if not self.dropped or output == DEAD_LETTERS:
            _logger.warning(
                "%s: nobody reads side output %r; dropped %s%s",
                self._name,
                output,
                _some(batch.values),
                "" if output == DEAD_LETTERS else " and will drop what follows without a word",
            )
        self.dropped += len(batch)


def _some(values: Sequence[Any]) -> str:
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return ", ".join(map(shorten, values[:3])) + more
