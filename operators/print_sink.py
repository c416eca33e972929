"""Prints values."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar, TextIO, TypeVar

from sage.operators.batchwise import BatchwiseLogic
from sage.operators.contract import Logic, Operator
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed, shorten
from sage.operators.threads import in_thread

__all__ = ["Print"]

T = TypeVar("T")


@dataclass(frozen=True)
class Print(Operator[T, Any]):
    """Print each value on a line of its own. A terminal that stands still holds up the stream, not the event loop.

    Args:
        prefix: what each line begins with.
        file: where to; `None` for what ``sys.stdout`` is at the time.
    """

    kind: ClassVar[str] = "print"

    prefix: str = ""
    file: TextIO | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str):
            raise InvalidOperator(f"print: prefix={shorten(self.prefix)}: write what each line begins with, a text")

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        return _PrintLogic(self)


class _PrintLogic(BatchwiseLogic):
    def __init__(self, operator: Print[Any]) -> None:
        super().__init__()
        self._prefix = operator.prefix
        self._file = operator.file

    def prepare(self, batch: Batch[Any]) -> str:  # not in the thread: the values may change in the loop's
        lines: list[str] = []
        try:
            lines.extend(f"{self._prefix}{value!s}\n" for value in batch.values)
        except Exception as error:
            raise RecordFailed(batch.values[len(lines)], error) from error
        return "".join(lines)

    async def deliver(self, prepared: str) -> None:
        await in_thread(self._write, prepared)

    def _write(self, text: str) -> None:
        file = self._file or sys.stdout
        file.write(text)
        file.flush()
