"""The records of a stream in a list."""

from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["Collected"]

T = TypeVar("T")


class Collected(Generic[T]):
    """What `collect` returns.

    Attributes:
        values: the records so far; emptied when the program runs anew.
    """

    def __init__(self) -> None:
        self.values: list[T] = []

    def __iter__(self) -> Iterator[T]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Collected: {len(self.values)} records>"
