"""The context that the local runtime lends to an operator and to the user's functions."""

import asyncio
import logging
from functools import cached_property
from typing import Any

from sage.clock import Clock, Timer
from sage.current import current
from sage.errors import NotAvailable, UnknownService
from sage.kernel import ServiceManager, StateManager
from sage.operators.calls import Call
from sage.runtime.calls import CallDesk
from sage.runtime.calls.running import current_call
from sage.runtime.mailbox import Mailbox
from sage.runtime.timers import Timers
from sage.services.finding import current_services
from sage.started import Started

__all__ = ["TaskContext", "current_context"]


def current_context() -> "TaskContext":
    """The context of the operator whose function is running; inside of a service, a `ServiceContext`.

    Raises:
        LookupError: no function of a sage operator, and no service, is running here.
    """
    try:
        context: TaskContext = current.get()
    except LookupError:
        raise LookupError(
            "sage.context() is there only inside a function that a sage operator calls, and inside of services"
        ) from None
    return context


class TaskContext:
    """Implements `RuntimeContext` for functions and `Context` for logics.

    Args:
        job: the job's name.
        name: the operator's name.
        subtask_index: which of the parallel instances, from 0.
        parallelism: of how many.
        batch_size: how many records a batch holds at most.
        budget: seconds to work without giving way.
        clock: processing time.
        mailbox: the task's.
        position: the operator's number in the graph.
        desk: where the requests of callers are taken.
    """

    def __init__(
        self,
        *,
        job: str,
        name: str,
        subtask_index: int,
        parallelism: int,
        batch_size: int,
        budget: float,
        clock: Clock,
        mailbox: Mailbox,
        position: int,
        desk: CallDesk,
    ) -> None:
        self.job = job
        self.name = name
        self.subtask_index = subtask_index
        self.parallelism = parallelism
        self.batch_size = batch_size
        self.budget = budget
        self.should_stop = False
        self.position = position
        #: Calls that nobody waits for any more, and that have records inside.
        self.dead_calls = desk.dead
        #: The way of requests into an endpoint.
        self.inlet = desk.inlet
        self._clock = clock
        self._mailbox = mailbox
        self._timers = Timers(clock, mailbox)
        #: What functions have started, and may have forgotten.
        self.started = Started()

    @cached_property
    def logger(self) -> logging.Logger:
        """See `RuntimeContext.logger`. Python never forgets a logger, so it is made when somebody logs."""
        return logging.getLogger(f"sage.job.{self.job}.{self.name}")

    def enter(self) -> None:
        """Make this the context of the running asyncio task and of the tasks that it starts."""
        current.set(self)

    def now(self) -> float:
        """See `RuntimeContext.now`."""
        return self._clock.now()

    def wake(self) -> None:
        """See `Context.wake`."""
        self._mailbox.request_collect()

    def set_timer(self, at: float, tag: Any = None) -> Timer:
        """See `Context.set_timer`."""
        return self._timers.set(at, tag)

    def cancel_timers(self) -> None:
        """Forget all timers; the operator is done."""
        self._timers.cancel_all()

    @property
    def call(self) -> Call | None:
        """See `RuntimeContext.call`."""
        return current_call.get()

    @property
    def state(self) -> StateManager:
        """See `RuntimeContext.state`."""
        raise NotAvailable(
            f"operator {self.name!r}: this version keeps no state for operators; keep it in the function object"
        )

    @property
    def services(self) -> ServiceManager:
        """See `RuntimeContext.services`."""
        try:
            return current_services.get()
        except LookupError:
            raise UnknownService(
                f"operator {self.name!r}: the program has no services; register one with env.register_service"
            ) from None

    async def call_service(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """See `RuntimeContext.call_service`.

        Cancel safety: cancelling the call cancels it at the service.
        """
        return await self.services.call(service, method, *args, **kwargs)

    def call_service_async(self, service: str, method: str, /, *args: Any, **kwargs: Any) -> "asyncio.Task[Any]":
        """See `RuntimeContext.call_service_async`."""
        return self.started.start(self.call_service(service, method, *args, **kwargs))
