"""An engine that evaluates a program plainly: one operator after the other, again and again until all have ended.

There are no channels, no tasks of operators and no backpressure, and processing time stands still (but for a `Wait`,
which moves it at once). So a program gives the same results in the same order at every run, unless that depends
on which of its asynchronous sources or calls is quicker::

    env = sage.Environment("words", engine=sage.testing.PlainEngine())
    assert await env.from_iterable(["a", "b"]).map(str.upper).to_list() == ["A", "B"]

It is also what the tests hold the other engines against. Each turn, a source gives one batch and an operator works on
all that waits for it. All that an operator makes of one batch is made before the next operator sees any of it; so a
source may be endless if something like `take` ends it, but a function that yields without end never ends here.
"""

import asyncio
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anyio

from sage.config import Config
from sage.errors import JobFailed, NotAvailable
from sage.graph import FeedbackHead, Graph, Plan, Subtask, physical_plan, validate
from sage.kernel import Caller, ExecutionStatus, OperatorStatistics
from sage.operators.source import Source
from sage.runtime import TaskContext
from sage.runtime.calls import CallDesk
from sage.runtime.failures import blaming, failure_of
from sage.runtime.mailbox import Mailbox
from sage.runtime.partition import partitioner
from sage.testing.clock import ManualClock
from sage.testing.plain_parts import Input, Output, PlainOperator, PlainPart, PlainSource

__all__ = ["PlainEngine", "PlainExecution"]

_logger = logging.getLogger("sage.testing")


class PlainEngine:
    """Implements `Engine` for tests.

    Args:
        batch_size: how many records a batch holds at most, at least 1.

    Raises:
        GraphError: the batch size is below 1.
    """

    def __init__(self, *, batch_size: int = 1024) -> None:
        self._batch_size = Config(engine="local", batch_size=batch_size).batch_size

    def prepare(self, name: str, graph: Graph) -> "PlainExecution":
        """See `Engine.prepare`."""
        validate(graph, name)
        return PlainExecution(name, graph, self._batch_size)


class PlainExecution:
    """Implements `Execution`.

    Args:
        name: the job's name.
        graph: a valid graph.
        batch_size: how many records a batch holds at most.
    """

    def __init__(self, name: str, graph: Graph, batch_size: int) -> None:
        self._name = name
        self._graph = graph
        self._batch_size = batch_size
        self._plan: Plan = physical_plan(graph)
        self._parts: list[PlainPart] = []
        self._clock = ManualClock()
        self._desk = CallDesk(name, (), admission=None, window=1)
        self._status = ExecutionStatus.RUNNING
        # The first one is raised.
        self._failures: list[JobFailed] = []
        # An asynchronous source has something, or a drain was asked for.
        self._arrived = asyncio.Event()

    @property
    def caller(self) -> Caller:
        """See `Execution.caller`.

        Raises:
            NotAvailable: always.
        """
        raise NotAvailable("the plain engine takes no requests; run the program with the local engine")

    @property
    def status(self) -> ExecutionStatus:
        """See `Execution.status`."""
        return self._status

    async def ready(self) -> None:
        """See `Execution.ready`: they are opened when they are first needed, so there is nothing to wait for.

        Cancel safety: nothing is awaited.
        """

    async def run(self) -> None:
        """See `Execution.run`.

        Cancel safety: when cancelled, all operators are closed first.
        """
        try:
            self._build()
            try:
                await self._evaluate()
            except JobFailed as failure:
                self._failures.append(failure)
            finally:
                with anyio.CancelScope(shield=True):
                    await self._close()
        except BaseException as error:
            self._status = ExecutionStatus.FAILED if isinstance(error, Exception) else ExecutionStatus.CANCELLED
            self._log(self._failures)
            raise
        if self._failures:
            self._status = ExecutionStatus.FAILED
            self._log(self._failures[1:])
            raise self._failures[0]
        self._status = ExecutionStatus.FINISHED

    def drain(self) -> None:
        """See `Execution.drain`."""
        if self._status is ExecutionStatus.RUNNING:
            self._status = ExecutionStatus.DRAINING
            self._stop_sources()

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """See `Execution.statistics`. Nothing is timed and there are no channels: these numbers are 0."""
        of_node: dict[str, list[PlainPart]] = {node.name: [] for node in self._graph.nodes}
        for part in self._parts:
            of_node[part.subtask.node.name].append(part)
        return {name: _summed(parts) for name, parts in of_node.items()}

    def _build(self) -> None:
        for subtask in self._plan.subtasks:
            with blaming(self._name, subtask):
                self._parts.append(self._part(subtask))
        by_place = {(part.subtask.node.number, part.subtask.index): part for part in self._parts}
        for link in self._plan.links:
            edge = link.edge
            for index, targets in enumerate(link.receivers):
                sender = by_place[edge.sender, index]
                receivers = [by_place[edge.receiver, target] for target in targets]
                inputs = [
                    Input(sender, receiver, edge.port) for receiver in receivers if isinstance(receiver, PlainOperator)
                ]
                for entry in inputs:
                    entry.receiver.inputs.append(entry)
                split = partitioner(link.partitioning, len(inputs)).split
                sender.outputs.append(Output(edge.output, split, inputs))
        if self._status is ExecutionStatus.DRAINING:
            self._stop_sources()

    def _part(self, subtask: Subtask) -> PlainPart:
        mailbox = Mailbox()
        node = subtask.node
        context = TaskContext(
            job=self._name,
            name=node.name,
            subtask_index=subtask.index,
            parallelism=node.parallelism,
            batch_size=self._batch_size,
            budget=math.inf,  # what the clock decides is not the same at every run
            clock=self._clock,
            mailbox=mailbox,
            position=node.number,
            desk=self._desk,
        )
        if isinstance(node.operator, Source):
            return PlainSource(subtask, context, self._clock, node.operator.build(), self._arrived.set)
        logic = node.operator.build(subtask.index, node.parallelism)
        return PlainOperator(subtask, context, self._clock, logic, mailbox)

    async def _evaluate(self) -> None:
        for part in self._parts:
            with self._blaming(part):
                await part.open()
        while not all(part.ended for part in self._parts):
            self._arrived.clear()
            moved = False
            for part in self._parts:
                with self._blaming(part):
                    moved |= await part.turn()
            await asyncio.sleep(0)
            if moved:
                continue
            if any(isinstance(part, PlainSource) and not part.ended for part in self._parts):
                await self._arrived.wait()
            else:
                await self._end_a_loop()
        for part in self._parts:
            await part.context.started.wait()

    async def _end_a_loop(self) -> None:
        """Nothing is under way: have a feedback loop give out what it holds back, or end it if that is nothing."""
        for number in sorted(set(self._plan.loops.values())):
            members = [
                part for part in self._parts if self._loop_of(part) == number and isinstance(part, PlainOperator)
            ]
            if all(entry.ended for part in members for entry in part.inputs if self._loop_of(entry.sender) != number):
                for part in members:
                    with self._blaming(part):
                        await part.give_out()
                if any(part.inbox for part in self._parts if isinstance(part, PlainOperator)):
                    return
                for part in members:
                    if isinstance(part.subtask.node.operator, FeedbackHead):
                        part.finish()

    def _loop_of(self, part: PlainPart) -> int | None:
        return self._plan.loops.get(part.subtask.node.number)

    async def _close(self) -> None:
        for part in self._parts:
            if part.opening:
                part.context.should_stop = True
                part.context.cancel_timers()
                try:
                    with self._blaming(part):
                        await part.close()
                except JobFailed as failure:
                    self._failures.append(failure)
                finally:
                    await part.context.started.cancel()

    def _stop_sources(self) -> None:
        for part in self._parts:
            part.context.should_stop = True
        self._arrived.set()

    @contextmanager
    def _blaming(self, part: PlainPart) -> Iterator[None]:
        """Lend the part its context; tell an error of its as the job's failure."""
        part.context.enter()
        try:
            yield
        except Exception as error:
            failure = failure_of(self._name, part.subtask, error)
            raise failure from failure.__cause__
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise failure_of(self._name, part.subtask, error) from error  # it awaited something that was cancelled

    def _log(self, failures: list[JobFailed]) -> None:
        for failure in failures:
            _logger.error("%s, while the job was ending already", failure, exc_info=failure)


def _summed(parts: list[PlainPart]) -> OperatorStatistics:
    return OperatorStatistics(
        parallelism=len(parts),
        records_in=sum(part.records_in for part in parts),
        records_out=sum(part.records_out for part in parts),
        dropped=sum(part.dropped for part in parts),
        busy=0.0,
        idle=0.0,
        blocked=0.0,
        queued=0,
        capacity=0,
    )
