"""Passages as a service: for many of them, in a process of their own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sage.errors import GraphError
from sage.operators.llm import Collection, ExactIndex, Found, Passage
from sage.services.finding import service
from sage.services.service import Service

__all__ = ["Library"]

#: So many passages are indexed between two turns of the event loop.
_AT_ONCE = 64


class Library(Service):
    """A `Collection` that is asked as a service.

    ::

        env.register_service("embedder", HashEmbedder)
        env.register_service("library", Library, embedder="embedder", dimensions=256)
        await sage.service("library").add(passages)
        found = await sage.service("library").search("how?", 5)

    Searching is work for a processor, here in its event loop: with many passages put it into a process of its own,
    ``place="zmq"``.

    Args:
        collection: one that is filled already; it is found by words alone unless there is an embedder.
        embedder: the name of a service with ``embed`` and ``embed_many``; `None` to find by words alone.
        dimensions: how many numbers its vectors have; needed with an embedder, unless there is a collection.

    Raises:
        GraphError: values do not go together.
    """

    def __init__(
        self, collection: Collection | None = None, *, embedder: str | None = None, dimensions: int | None = None
    ) -> None:
        if collection is None:
            if (embedder is None) is not (dimensions is None):
                raise GraphError("Library(embedder=..., dimensions=...): give both, or neither")
            collection = Collection(vectors=None if dimensions is None else ExactIndex(dimensions))
        if collection.needs_vectors and embedder is None:
            raise GraphError("Library: the collection finds by vectors: give embedder=, the name of a service")
        self._collection = collection
        self._embedder: str | None = embedder if collection.needs_vectors else None

    async def add(self, passages: Sequence[Passage]) -> int:
        """Take passages in; those of the same ids are replaced. Returns how many there are now.

        Cancel safety: those taken in before stay.
        """
        for start in range(0, len(passages), _AT_ONCE):
            some = passages[start : start + _AT_ONCE]
            vectors: Any = None
            if self._embedder is not None:
                vectors = await service(self._embedder).embed_many([passage.text for passage in some])
            self._collection.add(some, vectors)
            await asyncio.sleep(0)
        return len(self._collection)

    async def search(self, text: str, limit: int = 5) -> list[Found]:
        """The passages that fit best, the best first.

        Cancel safety: nothing is lost.
        """
        vector = None if self._embedder is None else await service(self._embedder).embed(text)
        return self._collection.search(text, vector=vector, limit=limit)

    async def size(self) -> int:
        """How many passages there are.

        Cancel safety: it does not wait.
        """
        return len(self._collection)
