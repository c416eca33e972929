"""What an index of texts, and one of vectors, must bring."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Hit", "TextIndex", "VectorIndex"]


class Hit(NamedTuple):
    """What was found, and how well it fits: the greater the score, the better."""

    id: str
    score: float


class TextIndex(Protocol):
    """Finds texts by the words in them. Used from one thread at a time."""

    def add(self, id: str, text: str) -> None:
        """Take a text in; one of the same id is replaced."""
        ...

    def remove(self, id: str) -> None:
        """Forget a text.

        Raises:
            KeyError: there is none of that id.
        """
        ...

    def search(self, text: str, limit: int) -> list[Hit]:
        """At most `limit` texts that share words with `text`, the best first."""
        ...

    def __len__(self) -> int: ...


class VectorIndex(Protocol):
    """Finds vectors by the cosine of the angle between them, from -1 to 1. Used from one thread at a time."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        ...

    def add(self, ids: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """Take vectors in, each of shape ``(dimensions,)``; those of the same ids are replaced.

        Raises:
            InvalidInput: as many ids as vectors are needed, and vectors of the right length.
        """
        ...

    def remove(self, id: str) -> None:
        """Forget a vector.

        Raises:
            KeyError: there is none of that id.
        """
        ...

    def search(self, vector: Sequence[float], limit: int) -> list[Hit]:
        """At most `limit` vectors, those nearest to `vector` first.

        Raises:
            InvalidInput: `vector` is of another length.
        """
        ...

    def __len__(self) -> int: ...
