"""Nearest vectors by a graph of neighbours (HNSW): approximate, for millions. Needs usearch."""

from collections.abc import Sequence
from typing import Any

from sage.operators.llm.index import Hit
from sage.operators.llm.optional import needed
from sage.operators.llm.vectors import checked_dimensions, unit_rows, unit_vector
from sage.operators.numbers import is_count

__all__ = ["UsearchIndex"]


class UsearchIndex:
    """Vectors in an index of usearch; see `VectorIndex`. What it finds are nearly always the nearest.

    Y. Malkov and D. Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
    Small World Graphs (2018).

    In a program that uses Ray, too, write ``import ray`` first: loaded behind usearch it would end the process.

    Args:
        dimensions: how many numbers a vector has.
        precision: how numbers are kept: ``"f32"``, ``"f16"``, ``"bf16"`` or ``"i8"``.

    Raises:
        InvalidOperator: not a number of dimensions.
        MissingPackage: usearch is not installed.
    """

    def __init__(self, dimensions: int, *, precision: str = "f32") -> None:
        usearch = needed("usearch.index", extra="rag")
        self._dimensions = checked_dimensions(dimensions, "UsearchIndex")
        self._index: Any = usearch.Index(ndim=dimensions, metric="cos", dtype=precision)
        # The index knows numbers only. A number is never used again.
        self._numbers: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._following = 0

    @property
    def dimensions(self) -> int:
        """See `VectorIndex.dimensions`."""
        return self._dimensions

    def add(self, ids: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """See `VectorIndex.add`."""
        rows = unit_rows(ids, vectors, self._dimensions)
        for id, row in zip(ids, rows, strict=True):
            if id in self._numbers:
                self.remove(id)
            self._index.add(self._following, row)
            self._numbers[id] = self._following
            self._ids[self._following] = id
            self._following += 1

    def remove(self, id: str) -> None:
        """See `VectorIndex.remove`."""
        number = self._numbers.pop(id)
        del self._ids[number]
        self._index.remove(number)

    def search(self, vector: Sequence[float], limit: int) -> list[Hit]:
        """See `VectorIndex.search`."""
        asked = unit_vector(vector, self._dimensions)
        if not self._ids or not is_count(limit):
            return []
        found = self._index.search(asked, min(limit, len(self._ids)))
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        hits = [Hit(self._ids[number], 1 - distance) for number, distance in pairs]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def __len__(self) -> int:
        return len(self._ids)
