"""Writes lines to a file, in threads."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from sage.operators.batchwise import BatchwiseLogic
from sage.operators.contract import Logic, Operator
from sage.operators.elements import Batch
from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.files import check_codec, check_path
from sage.operators.naming import naming
from sage.operators.threads import in_thread

__all__ = ["WriteLines"]


@dataclass(frozen=True)
class WriteLines(Operator[str, Any]):
    r"""Write each value, a `str`, as a line that ends with ``\n``.

    The file is opened before the first record comes, so that a wrong path is found out early. What has arrived is in
    the file soon after, not only at the end. Errors name the file.

    Args:
        path: the file; its folder must be there.
        append: write behind what is in the file, rather than in its place.
        encoding: of the text.
    """

    kind: ClassVar[str] = "write_lines"

    path: str | os.PathLike[str]
    append: bool = False
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_path(self.path, self.kind)
        check_codec(self.encoding, "strict", self.kind)

    def build(self, subtask: int, parallelism: int) -> Logic:
        """See `Operator.build`."""
        if parallelism > 1:
            raise InvalidOperator(
                f"write_lines: {parallelism} subtasks cannot write {os.fspath(self.path)} together; write parallelism=1"
            )
        return _WriteLinesLogic(self)


class _WriteLinesLogic(BatchwiseLogic):
    def __init__(self, operator: WriteLines) -> None:
        super().__init__()
        self._operator = operator
        self._path = Path(operator.path)
        self._file: IO[str] | None = None

    async def open(self, context: Any) -> None:
        await super().open(context)
        await in_thread(self._open)

    def prepare(self, batch: Batch[Any]) -> str:
        values = batch.values
        try:
            return "\n".join(values) + "\n"
        except TypeError:
            wrong = next(value for value in values if not isinstance(value, str))
            problem = f"a line of {self._path} must be a str, not {type(wrong).__name__}; make one in a map(...) before"
            raise RecordFailed(wrong, TypeError(problem)) from None

    async def deliver(self, prepared: str) -> None:
        await in_thread(self._write, prepared)

    async def close(self) -> None:
        await super().close()
        await in_thread(self._close)

    def _open(self) -> None:
        operator = self._operator
        with naming(self._path):
            # ``newline``: the same bytes on every system.
            self._file = self._path.open("a" if operator.append else "w", encoding=operator.encoding, newline="\n")

    def _write(self, text: str) -> None:
        assert self._file is not None
        with naming(self._path):
            self._file.write(text)
            self._file.flush()

    def _close(self) -> None:
        if self._file is not None:
            with naming(self._path):
                self._file.close()
