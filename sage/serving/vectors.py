"""Embeddings: texts in, vectors out."""

import asyncio
import base64
import sys
from array import array
from collections.abc import Awaitable, Callable, Sequence
from math import isfinite
from typing import Any

from sage.operators.errors import shorten
from sage.serving.errors import RequestError
from sage.serving.installed import needed

__all__ = ["embed", "embeddings_body"]

#: So many texts of one request are asked for at the same time.
_AT_ONCE = 64


async def embed(texts: Sequence[str], ask: Callable[[str], Awaitable[Any]]) -> list[Any]:
    """The vector of each text.

    Cancel safety: what is being asked for is given up.

    Raises:
        Exception: what the first that fails raises.
    """
    if len(texts) == 1:
        return [await ask(texts[0])]
    vectors: list[Any] = [None] * len(texts)
    ahead = iter(enumerate(texts))

    async def work() -> None:
        for place, text in ahead:
            vectors[place] = await ask(text)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(texts))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return vectors


def embeddings_body(
    model: str, vectors: Sequence[Any], usage: dict[str, int], *, as_base64: bool, dimensions: int | None = None
) -> bytes:
    """The whole response.

    Args:
        model: the model's id.
        vectors: of each text, in order.
        usage: what was used.
        as_base64: whether the client wants little-endian 32-bit floats rather than numbers.
        dimensions: how many numbers the client wants of each; `None` for as many as there are.

    Raises:
        TypeError: what the program replied with is no vector.
        RequestError: the vectors are of another length.
    """
    floats = [_floats(vector) for vector in vectors]
    if dimensions is not None and any(len(vector) != dimensions for vector in floats):
        told = f"the model's vectors have {len(floats[0])} numbers; leave dimensions out, or ask for as many"
        raise RequestError(told, param="dimensions")
    shown = map(_base64, floats) if as_base64 else floats
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(shown)]
    body: bytes = needed("msgspec.json").encode({"object": "list", "data": data, "model": model, "usage": usage})
    return body


def _floats(vector: Any) -> list[float]:
    values = vector.tolist() if hasattr(vector, "tolist") else vector  # NumPy, PyTorch, array
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        raise TypeError(f"an endpoint for embeddings replied with {shorten(vector)}: reply with a list of numbers")
    floats = [float(value) for value in values]
    # What is none of these has no place in JSON, and clients cannot compare it with anything.
    if not floats or not all(map(isfinite, floats)):
        raise TypeError(f"an endpoint for embeddings replied with {shorten(vector)}: reply with finite numbers")
    return floats


def _base64(vector: list[float]) -> str:
    packed = array("f", vector)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode("ascii")
