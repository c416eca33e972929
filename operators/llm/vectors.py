"""Vectors as arrays: checked, and of length 1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sage.operators.errors import InvalidOperator
from sage.operators.llm.errors import InvalidInput
from sage.operators.numbers import is_count

if TYPE_CHECKING:
    import numpy as np

__all__ = ["checked_dimensions", "unit_rows", "unit_vector"]


def checked_dimensions(dimensions: object, owner: str) -> int:
    """How many numbers a vector has.

    Raises:
        InvalidOperator: that is no number of them.
    """
    if not isinstance(dimensions, int) or not is_count(dimensions):
        raise InvalidOperator(f"{owner}(dimensions={dimensions!r}): write how many numbers a vector has, 1 or more")
    return dimensions


def unit_rows(ids: Sequence[str], vectors: Sequence[Sequence[float]], dimensions: int) -> "np.ndarray":
    """Vectors as rows of length 1, of shape ``(len(ids), dimensions)``; one without length stays as it is.

    Raises:
        InvalidInput: there are not as many as ids, or they are of other lengths, or not finite.
    """
    if len(ids) != len(vectors):
        raise InvalidInput(f"{len(ids)} ids for {len(vectors)} vectors: give one id for each")
    return _of_length_one(vectors, (len(ids), dimensions))


def unit_vector(vector: Sequence[float], dimensions: int) -> "np.ndarray":
    """A vector of length 1, of shape ``(dimensions,)``.

    Raises:
        InvalidInput: it is of another length, or not finite.
    """
    return _of_length_one(vector, (dimensions,))


def _of_length_one(values: Any, shape: tuple[int, ...]) -> "np.ndarray":
    import numpy as np

    try:
        array = np.asarray(values, dtype=np.float32).reshape(shape)
    except ValueError as error:
        raise InvalidInput(f"the index holds vectors of {shape[-1]} numbers, and was given others: {error}") from None
    if not np.isfinite(array).all():
        raise InvalidInput("a vector holds a number that is not finite")
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    unit: np.ndarray = array / np.where(lengths == 0, 1, lengths)
    return unit
