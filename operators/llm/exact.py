"""Nearest vectors by looking at all of them: exact, and quick enough for a hundred thousand. Needs NumPy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sage.operators.llm.index import Hit
from sage.operators.llm.optional import needed
from sage.operators.llm.vectors import checked_dimensions, unit_rows, unit_vector

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ExactIndex"]


class ExactIndex:
    """Vectors in one NumPy array; see `VectorIndex`.

    100,000 vectors of 384 numbers take 150 MB, and a search some tens of milliseconds.

    Args:
        dimensions: how many numbers a vector has.

    Raises:
        InvalidOperator: not a number of dimensions.
        MissingPackage: NumPy is not installed.
    """

    def __init__(self, dimensions: int) -> None:
        numpy = needed("numpy", extra="rag")
        self._dimensions = checked_dimensions(dimensions, "ExactIndex")
        # Rows are of length 1, so that a product is a cosine; those from `len(self._ids)` on are room to grow.
        self._rows: np.ndarray = numpy.empty((16, dimensions), dtype=numpy.float32)
        self._ids: list[str] = []
        self._places: dict[str, int] = {}

    @property
    def dimensions(self) -> int:
        """See `VectorIndex.dimensions`."""
        return self._dimensions

    def add(self, ids: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """See `VectorIndex.add`."""
        rows = unit_rows(ids, vectors, self._dimensions)
        self._reserve(len(self._ids) + len(ids))
        for id, row in zip(ids, rows, strict=True):
            place = self._places.setdefault(id, len(self._ids))
            if place == len(self._ids):
                self._ids.append(id)
            self._rows[place] = row

    def remove(self, id: str) -> None:
        """See `VectorIndex.remove`."""
        place = self._places.pop(id)
        last = self._ids.pop()
        if last != id:  # the last row fills the gap
            self._ids[place] = last
            self._places[last] = place
            self._rows[place] = self._rows[len(self._ids)]

    def search(self, vector: Sequence[float], limit: int) -> list[Hit]:
        """See `VectorIndex.search`."""
        import numpy as np

        if not self._ids or limit < 1:
            return []
        scores = self._rows[: len(self._ids)] @ unit_vector(vector, self._dimensions)
        kept = min(limit, len(scores))
        best = np.argpartition(-scores, kept - 1)[:kept]
        hits = [Hit(self._ids[place], float(scores[place])) for place in best]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def __len__(self) -> int:
        return len(self._ids)

    def _reserve(self, count: int) -> None:
        import numpy as np

        if count > len(self._rows):
            grown = np.empty((max(count, 2 * len(self._rows)), self._dimensions), dtype=np.float32)
            grown[: len(self._ids)] = self._rows[: len(self._ids)]
            self._rows = grown
