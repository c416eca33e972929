"""Functions that write down their life."""

import asyncio
from typing import Any

import sage

__all__ = ["Recorder", "RecordingSource", "turns"]


class Recorder(sage.MapFunction[Any, Any]):
    """Passes values on. Its `log`, shared by all subtasks, gets ``"open a"``, ``"map a"``, ``"close a"``."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.label = name

    def __deepcopy__(self, memo: dict[int, Any]) -> "Recorder":
        return type(self)(self.log, self.label)

    def write(self, event: str) -> None:
        self.log.append(f"{event} {self.label}")

    def open(self, context: Any) -> Any:
        self.write("open")

    def map(self, value: Any) -> Any:
        self.write("map")
        return value

    def close(self) -> Any:
        self.write("close")


class RecordingSource(sage.SourceFunction[int]):
    """Gives numbers, for ever unless there is a `count`."""

    def __init__(self, log: list[str], count: int | None = None) -> None:
        self.log = log
        self.count = count

    def open(self, context: Any) -> None:
        self.log.append("open source")

    def run(self) -> Any:
        number = 0
        try:
            while number != self.count:
                yield number
                number += 1
        finally:
            self.log.append("end source")

    def close(self) -> None:
        self.log.append("close source")


async def turns(count: int = 100) -> None:
    """Let everything that is ready run so often. Virtual time stands still, for something may always be ready."""
    for _ in range(count):
        await asyncio.sleep(0)
