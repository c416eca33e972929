"""Makes the tasks of a plan."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from sage.clock import Clock, LoopClock
from sage.config import Config
from sage.graph import FeedbackHead, Plan, Subtask
from sage.operators.source import Source
from sage.runtime.calls import CallDesk
from sage.runtime.context import TaskContext
from sage.runtime.failures import blaming
from sage.runtime.feedback import LoopWatch
from sage.runtime.feedback_task import FeedbackTask
from sage.runtime.gate import Gate
from sage.runtime.local.wiring import Wiring
from sage.runtime.mailbox import Mailbox
from sage.runtime.merging_gate import MergingGate
from sage.runtime.operator_task import OperatorTask
from sage.runtime.router import Router
from sage.runtime.single_gate import SingleGate
from sage.runtime.source_task import SourceTask
from sage.runtime.stretch import Stretch
from sage.runtime.task import Fittings, Task

__all__ = ["build_tasks"]


async def build_tasks(job: str, plan: Plan, config: Config, wiring: Wiring, desk: CallDesk) -> list[Task]:
    """Make all tasks of a job, not yet running.

    Args:
        job: the job's name.
        plan: what is to run.
        config: the settings.
        wiring: makes the channels, and closes what is still open when the job is over.
        desk: where requests of callers are taken.

    Cancel safety: nothing that needs closing has been opened by an operator yet.

    Raises:
        GraphError: an operator cannot run as it was described, or a source cannot be read again.
        JobFailed: the user's function class raised when an instance was made.
    """
    for link in plan.links:
        await wiring.connect(link)
    builder = _Builder(job, plan, config, wiring, desk)
    tasks = [builder.task(subtask) for subtask in plan.subtasks]
    builder.join(tasks)
    return tasks


class _Builder:
    """Makes tasks, one by one."""

    def __init__(self, job: str, plan: Plan, config: Config, wiring: Wiring, desk: CallDesk) -> None:
        self._job = job
        self._desk = desk
        self._plan = plan
        self._config = config
        self._wiring = wiring
        self._clock: Clock = LoopClock()
        self._stretch = Stretch(config.budget)
        heads = Counter(
            plan.loops[subtask.node.number]
            for subtask in plan.subtasks
            if isinstance(subtask.node.operator, FeedbackHead)
        )
        self._watches = {loop: LoopWatch(loop, count) for loop, count in heads.items()}

    def task(self, subtask: Subtask) -> Task:
        """Make the task of one subtask.

        Raises:
            GraphError, JobFailed: as `build_tasks`.
        """
        with blaming(self._job, subtask):
            return self._made(subtask)

    def join(self, tasks: Sequence[Task]) -> None:
        """Let tasks of this event loop work for each other on the spot, where they share memory."""
        if self._config.transport != "memory":
            return
        by_place = {(task.subtask.node.number, task.subtask.index): task for task in tasks}
        for place, sending in by_place.items():
            for output, entries in self._wiring.routes(place):
                for index, (receiver, entry) in enumerate(entries):
                    receiving = by_place[receiver]
                    if isinstance(receiving, OperatorTask):
                        sending.router.join(output, index, partial(receiving.work_at_once, entry))

    def _made(self, subtask: Subtask) -> Task:
        node = subtask.node
        place = node.number, subtask.index
        mailbox = Mailbox()
        context = self._context(subtask, mailbox)
        router = Router(subtask.name, self._wiring.outputs[place], mailbox.wake)
        fittings = Fittings(subtask, context, mailbox, router, self._stretch)
        if isinstance(node.operator, Source):
            return SourceTask(fittings, node.operator.build())
        gate = self._gate(place, mailbox, context.batch_size)
        logic = node.operator.build(subtask.index, node.parallelism)
        if isinstance(node.operator, FeedbackHead):
            watch = self._watches[self._plan.loops[node.number]]
            return FeedbackTask(fittings, gate, logic, watch)
        return OperatorTask(fittings, gate, logic)

    def _gate(self, place: tuple[int, int], mailbox: Mailbox, batch_size: int) -> Gate:
        inputs = self._wiring.inputs[place]
        if len(inputs) == 1:
            return SingleGate(inputs[0], mailbox.wake, batch_size)
        return MergingGate(inputs, mailbox.wake, batch_size)

    def _context(self, subtask: Subtask, mailbox: Mailbox) -> TaskContext:
        return TaskContext(
            job=self._job,
            name=subtask.node.name,
            subtask_index=subtask.index,
            parallelism=subtask.node.parallelism,
            batch_size=self._config.records_per_batch,
            budget=self._config.budget,
            clock=self._clock,
            mailbox=mailbox,
            position=subtask.node.number,
            desk=self._desk,
        )
