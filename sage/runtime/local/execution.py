"""One run of a graph in one event loop: its tasks in one task group."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import anyio

from sage.config import Config
from sage.errors import JobFailed, JobNotRunning
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
        # The failure came when the job was being cancelled already, and may follow from that.
        self._cancelled_first = False

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
        # What callers are told if there is no failure of a task.
        unfit: JobNotRunning | None = None
        try:
            async with Wiring(Channels(self._config.transport), self._config.channel_capacity) as wiring:
                self._tasks = await build_tasks(
                    self._name, physical_plan(self._graph), self._config, wiring, self._desk
                )
                if self._status is ExecutionStatus.DRAINING:
                    self._drain_tasks()
                await self._run_tasks()
        except Exception as error:  # a task could not be made, or a channel neither opened nor closed
            self._status = ExecutionStatus.FAILED
            if self._failure is None:
                unfit = JobNotRunning(f"it has failed: {error}", job=self._name)
                unfit.__cause__ = error
                raise
            _logger.error("job %r failed again while its channels were closed", self._name, exc_info=error)
        except BaseException:
            if self._failure is None or self._cancelled_first:
                self._status = ExecutionStatus.CANCELLED
                if self._failure is not None:
                    _logger.error("%s, while it was being cancelled", self._failure, exc_info=self._failure)
                raise
        finally:
            self._desk.close(self._failure or unfit)
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
            self._drain_tasks()

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """See `Execution.statistics`."""
        of_node: dict[str, list[Task]] = {node.name: [] for node in self._graph.nodes}
        for task in self._tasks:
            of_node[task.subtask.node.name].append(task)
        return {name: _summed(tasks) for name, tasks in of_node.items()}

    def _drain_tasks(self) -> None:
        for task in self._tasks:
            task.drain()

    async def _run_tasks(self) -> None:
        opened, host = Rendezvous(len(self._tasks), self._ready), asyncio.current_task()
        try:
            async with anyio.create_task_group() as group:
                for task in self._tasks:
                    name = f"{self._name}: {task.subtask.name}"
                    group.start_soon(self._watched, task, opened, group.cancel_scope, host, name=name)
        except BaseExceptionGroup as exits:
            if isinstance(exits, Exception):  # what no failure was made of
                raise
            # The event loop itself raises exits: to the job, they are a cancellation.
            raise asyncio.CancelledError from exits

    async def _watched(
        self, task: Task, opened: Rendezvous, scope: anyio.CancelScope, host: "asyncio.Task[Any] | None"
    ) -> None:
        try:
            await task.run(opened)
        except asyncio.CancelledError as error:
            if scope.cancel_called or host is None or host.cancelling():
                raise
            # It was not the job that was meant: what the user's code awaited was cancelled, or this task alone.
            self._failed(task, error, host)
            scope.cancel()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._failed(task, error, host)
            scope.cancel()

    def _failed(self, task: Task, error: BaseException, host: "asyncio.Task[Any] | None") -> None:
        """Keep the first failure; tell of those that follow from it or come while others close."""
        if self._failure is None:
            self._failure = failure_of(self._name, task.subtask, error)
            self._cancelled_first = host is not None and host.cancelling() > 0
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
