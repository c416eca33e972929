"""One run of a graph in one event loop: its tasks in one task group."""

import asyncio
import logging
from collections.abc import Mapping

import anyio

from sage.config import Config
from sage.errors import JobFailed, SageError
from sage.graph import Graph, physical_plan
from sage.kernel import ExecutionStatus, OperatorStatistics
from sage.operators.endpoint import Endpoint
from sage.runtime.calls import CallDesk
from sage.runtime.channels import Channels
from sage.runtime.failures import failure_of
from sage.runtime.local.build import build_tasks
from sage.runtime.local.wiring import Wiring
from sage.runtime.operator_task import OperatorTask
from sage.runtime.rendezvous import Rendezvous
from sage.runtime.source_task import SourceTask
from sage.runtime.task import Task

__all__ = ["LocalExecution"]

_logger = logging.getLogger("sage.runtime")


class LocalExecution:
    """Implements `Execution`.

    Args:
        name: the job's name.
        graph: a valid graph.
        config: the settings.
    """

    def __init__(self, name: str, graph: Graph, config: Config) -> None:
        self._name = name
        self._graph = graph
        self._config = config
        self._tasks: list[Task] = []
        self._ready = asyncio.Event()
        endpoints = [node.operator for node in graph.nodes if isinstance(node.operator, Endpoint)]
        self._desk = CallDesk(name, endpoints, admission=config.admission, window=config.call_window)
        self._status = ExecutionStatus.RUNNING
        self._failure: JobFailed | None = None

    @property
    def caller(self) -> CallDesk:
        """See `Execution.caller`."""
        return self._desk

    @property
    def status(self) -> ExecutionStatus:
        """See `Execution.status`."""
        return self._status

    async def ready(self) -> None:
        """See `Execution.ready`.

        Cancel safety: the run goes on.
        """
        await self._ready.wait()

    async def run(self) -> None:
        """See `Execution.run`.

        Cancel safety: when cancelled, all tasks are cancelled and closed first.
        """
        try:
            async with Wiring(Channels(self._config.transport), self._config.channel_capacity) as wiring:
                self._tasks = await build_tasks(
                    self._name, physical_plan(self._graph), self._config, wiring, self._desk
                )
                if self._status is ExecutionStatus.DRAINING:
                    self._drain_sources()
                await self._run_tasks()
        except SageError:  # a task could not be made
            self._status = ExecutionStatus.FAILED
            raise
        except BaseException:
            self._status = ExecutionStatus.CANCELLED
            if self._failure is not None:
                _logger.error("%s, while it was being cancelled", self._failure, exc_info=self._failure)
            raise
        finally:
            self._desk.close(self._failure)
            self._ready.set()
        if self._failure is not None:
            self._status = ExecutionStatus.FAILED
            raise self._failure
        self._status = ExecutionStatus.FINISHED

    def drain(self) -> None:
        """See `Execution.drain`."""
        if self._status is ExecutionStatus.RUNNING:
            self._status = ExecutionStatus.DRAINING
            self._desk.drain()
            self._drain_sources()

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """See `Execution.statistics`."""
        of_node: dict[str, list[Task]] = {node.name: [] for node in self._graph.nodes}
        for task in self._tasks:
            of_node[task.subtask.node.name].append(task)
        return {name: _summed(tasks) for name, tasks in of_node.items()}

    def _drain_sources(self) -> None:
        for task in self._tasks:
            if isinstance(task, SourceTask):
                task.drain()

    async def _run_tasks(self) -> None:
        opened = Rendezvous(len(self._tasks), self._ready)
        try:
            async with anyio.create_task_group() as group:
                for task in self._tasks:
                    group.start_soon(
                        self._watched, task, opened, group.cancel_scope, name=f"{self._name}: {task.subtask.name}"
                    )
        except BaseExceptionGroup as exits:  # the event loop itself raises them: to the job, that is a cancellation
            raise asyncio.CancelledError from exits

    async def _watched(self, task: Task, opened: Rendezvous, scope: anyio.CancelScope) -> None:
        try:
            await task.run(opened)
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if scope.cancel_called or current is None or current.cancelling():
                raise
            self._failed(task, error)  # nobody asked for it: something that the user's code awaited was cancelled
            scope.cancel()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._failed(task, error)
            scope.cancel()

    def _failed(self, task: Task, error: BaseException) -> None:
        """Keep the first failure; tell of those that follow from it or come while others close."""
        if self._failure is None:
            self._failure = failure_of(self._name, task.subtask, error)
        else:
            task.context.logger.error("%s failed while the job was failing already", task.subtask.name, exc_info=error)


def _summed(tasks: list[Task]) -> OperatorStatistics:
    meters = [task.meter for task in tasks]
    seconds = [meter.seconds() for meter in meters]
    inputs = [
        entry.channel.statistics() for task in tasks if isinstance(task, OperatorTask) for entry in task.gate.inputs
    ]
    return OperatorStatistics(
        parallelism=len(tasks),
        records_in=sum(meter.records_in for meter in meters),
        records_out=sum(meter.records_out for meter in meters),
        dropped=sum(task.router.dropped for task in tasks),
        busy=sum(busy for busy, _, _ in seconds),
        idle=sum(idle for _, idle, _ in seconds),
        blocked=sum(blocked for _, _, blocked in seconds),
        queued=sum(channel.used for channel in inputs),
        capacity=sum(channel.capacity or 0 for channel in inputs),
    )
