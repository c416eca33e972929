"""A job with services: they are started before its operators, and stopped behind them."""

from collections.abc import Mapping

from sage.kernel import Caller, Execution, ExecutionStatus, OperatorStatistics
from sage.services.manager import Services

__all__ = ["ServedExecution"]


class ServedExecution:
    """Implements `Execution` around another one.

    Args:
        execution: the run of the graph.
        services: what its operators may call.
    """

    def __init__(self, execution: Execution, services: Services) -> None:
        self._execution = execution
        self._services = services
        # How it ended, when that was not with the graph.
        self._ended: ExecutionStatus | None = None

    @property
    def caller(self) -> Caller:
        """See `Execution.caller`."""
        return self._execution.caller

    @property
    def status(self) -> ExecutionStatus:
        """See `Execution.status`."""
        return self._ended or self._execution.status

    def statistics(self) -> Mapping[str, OperatorStatistics]:
        """See `Execution.statistics`."""
        return self._execution.statistics()

    async def ready(self) -> None:
        """See `Execution.ready`.

        Cancel safety: the run goes on.
        """
        await self._execution.ready()

    async def run(self) -> None:
        """See `Execution.run`.

        Cancel safety: when cancelled, all tasks and services are cancelled and closed first.

        Raises:
            JobFailed: an operator failed.
            ServiceError: a service could not start, or failed while it was stopped.
        """
        try:
            async with self._services:
                await self._execution.run()
        except BaseException as error:
            if not self._execution.status.is_final or self._execution.status is ExecutionStatus.FINISHED:
                failed = isinstance(error, Exception)
                self._ended = ExecutionStatus.FAILED if failed else ExecutionStatus.CANCELLED
            raise

    def drain(self) -> None:
        """See `Execution.drain`."""
        self._execution.drain()
