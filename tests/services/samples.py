"""Services that tests call."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import sage

__all__ = ["Doubler", "Echo", "Odd"]


class Odd(Exception):
    """An error class of a program's own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{number} is odd")
        self.number = number


class Echo(sage.Service):
    """Answers, and notes what happens to it."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.log: list[str] = []
        self.cancelled = asyncio.Event()

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def health(self) -> Mapping[str, Any]:
        return {"ok": True, "log": self.log}

    async def say(self, text: str) -> str:
        return self.prefix + text

    async def slow(self, seconds: float) -> float:
        self.log.append("began")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        return seconds

    async def count(self, to: int) -> AsyncIterator[int]:
        try:
            for number in range(to):
                yield number
        finally:
            self.log.append("closed")

    async def even(self, number: int) -> int:
        if number % 2:
            raise Odd(number)
        return number

    async def wrong(self) -> None:
        raise ValueError("from the service")

    async def history(self) -> list[str]:
        return self.log

    async def replica(self) -> int:
        await asyncio.sleep(0.01)
        index: int = sage.context().replica_index  # type: ignore[attr-defined]  # the context of a service
        return index

    def helper(self) -> None:
        """Not async, so it is not called from outside."""


class Doubler(sage.Service):
    """Works on lists."""

    def __init__(self) -> None:
        self.lists: list[list[int]] = []

    @sage.batched(max_size=4, max_wait=0.01)
    async def double(self, numbers: list[int]) -> list[Any]:
        self.lists.append(numbers)
        await asyncio.sleep(1)
        return [Odd(number) if number == 13 else number * 2 for number in numbers]

    @sage.batched(max_size=2, max_wait=0)
    async def short(self, numbers: list[int]) -> list[int]:
        return numbers[:-1]

    @sage.batched(max_size=2, max_wait=0)
    async def fails(self, numbers: list[int]) -> list[int]:
        raise Odd(numbers[0])

    async def seen(self) -> list[list[int]]:
        return self.lists
