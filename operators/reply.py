"""Where records of answers go back to whoever asked."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar, TypeVar

from sage.operators.contract import Context, Emissions, Logic, Operator
from sage.operators.elements import Batch

__all__ = ["Reply"]

T = TypeVar("T")


@dataclass(frozen=True)
class Reply(Operator[T, Any]):
    """Give each record to the caller whose request it belongs to. It never waits: a slow caller has a window."""

    kind: ClassVar[str] = "reply"

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _ReplyLogic()


class _ReplyLogic(Logic):
    def __init__(self) -> None:
        self._context: Context
        self._warned = False

    async def open(self, context: Any) -> None:
        self._context = context

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        calls = batch.calls
        if calls is None:
            self._warn(len(batch))
            return ()
        values, start = batch.values, 0
        for call, records in groupby(calls):  # records of a call most often lie side by side
            stop = start + len(list(records))
            call.deliver(values[start:stop])
            start = stop
        return ()

    def _warn(self, records: int) -> None:
        if not self._warned:
            self._warned = True
            self._context.logger.warning(
                "%s: dropped %d records that belong to no request, and will drop what follows without a word; "
                "filter out what does not come from an endpoint before reply()",
                self._context.name,
                records,
            )
