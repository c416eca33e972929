"""The keys and values that attention has computed for the sequences of a batch.

::

    columns ─►
    row 0   ·  ·  k  k  k  k        padded on the left to one length, so that the next column is the same for all;
    row 1   k  k  k  k  k  k        the mask tells a model which columns are none
    row 2   ·  k  k  k  k  k
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["BatchCache"]


class BatchCache:
    """The cache of a batch that sequences join and leave.

    The tensors are [rows, heads, columns, size]. They are copied when somebody joins or leaves.

    Attributes:
        lengths: how many tokens of each row are in it.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self._cache: Any = None

    @property
    def columns(self) -> int:
        """How long the rows are."""
        return max(self.lengths, default=0)

    def join(self, caches: Sequence[Any], lengths: Sequence[int]) -> None:
        """Add rows at the end.

        Args:
            caches: a `transformers.DynamicCache` of one row for each.
            lengths: how many tokens are in each.
        """
        from torch import cat

        if not caches:
            return
        every = [*([self._cache] if self.lengths else []), *caches]
        self.lengths = [*self.lengths, *lengths]
        columns = self.columns
        layers = zip(*map(_layers, every), strict=True)
        self._cache = _made(
            (
                cat([_padded(keys, columns) for keys, _ in layer]),
                cat([_padded(values, columns) for _, values in layer]),
            )
            for layer in layers
        )

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these, and the columns that are padding in all of them."""
        if len(rows) == len(self.lengths):
            return
        before = self.columns
        self.lengths = [self.lengths[row] for row in rows]
        spare = before - self.columns
        kept = list(rows)
        self._cache = (
            _made((keys[kept, :, spare:], values[kept, :, spare:]) for keys, values in _layers(self._cache))
            if kept
            else None
        )

    def grown(self) -> dict[str, "torch.Tensor | Any"]:
        """What a model takes to add one token to each row; it writes the keys and values of that token itself."""
        import torch

        lengths = torch.tensor(self.lengths)[:, None]
        columns = self.columns
        self.lengths = [length + 1 for length in self.lengths]
        return {
            "past_key_values": self._cache,
            "position_ids": lengths,
            "attention_mask": (torch.arange(columns + 1) >= columns - lengths).long(),
        }


def _layers(cache: Any) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    return [(layer.keys, layer.values) for layer in cache.layers]


def _made(layers: Any) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for index, (keys, values) in enumerate(layers):
        cache.update(keys, values, index)
    return cache


def _padded(tensor: "torch.Tensor", columns: int) -> "torch.Tensor":
    from torch.nn.functional import pad

    return pad(tensor, (0, 0, columns - tensor.shape[-2], 0))
