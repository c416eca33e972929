"""Passages that can be found: by words, by vectors, or by both."""

from collections.abc import Sequence
from threading import Lock

from sage.operators.errors import InvalidOperator
from sage.operators.llm.bm25 import BM25
from sage.operators.llm.errors import InvalidInput
from sage.operators.llm.fusion import reciprocal_rank_fusion
from sage.operators.llm.index import TextIndex, VectorIndex
from sage.operators.llm.passages import Found, Passage
from sage.operators.numbers import is_count

__all__ = ["Collection"]

# Each ranking brings more than is asked for, so that what is good in both comes first.
_DEPTH = 4


class Collection:
    """Passages and the indexes that find them. Several threads may use it; they take turns.

    ::

        library = Collection(vectors=ExactIndex(256))
        library.add(passages, vectors=[hash_embedding(passage.text) for passage in passages])
        found = library.search("how?", vector=hash_embedding("how?"))

    Args:
        texts: finds by words; a `BM25` by default, `None` for none. It must be empty.
        vectors: finds by vectors; `None` for none. It must be empty.

    Raises:
        InvalidOperator: there is no index at all, or one that is not empty.
    """

    def __init__(self, *, texts: TextIndex | type[BM25] | None = BM25, vectors: VectorIndex | None = None) -> None:
        self._texts: TextIndex | None = texts() if isinstance(texts, type) else texts
        self._vectors = vectors
        if self._texts is None and vectors is None:
            raise InvalidOperator("Collection(texts=None): without vectors= nothing could be found")
        for index in (self._texts, vectors):
            if index is not None and len(index):
                raise InvalidOperator(
                    f"Collection: {type(index).__name__} holds {len(index)} entries; give an empty one"
                )
        self._passages: dict[str, Passage] = {}
        self._lock = Lock()

    @property
    def needs_vectors(self) -> bool:
        """Whether passages are found by vectors, too."""
        return self._vectors is not None

    def add(self, passages: Sequence[Passage], vectors: Sequence[Sequence[float]] | None = None) -> None:
        """Take passages in; those of the same ids are replaced.

        Args:
            passages: their titles are found by words, too.
            vectors: one for each passage, if there is an index of vectors.

        Raises:
            InvalidInput: there are no vectors although they are needed, or they are not needed.
        """
        if (vectors is not None) is not self.needs_vectors:
            need = "has no index of vectors" if self._vectors is None else "finds by vectors: give vectors="
            raise InvalidInput(f"Collection.add: the collection {need}")
        with self._lock:
            if self._vectors is not None and vectors is not None:
                self._vectors.add([passage.id for passage in passages], vectors)
            for passage in passages:
                if self._texts is not None:
                    self._texts.add(passage.id, f"{passage.title}\n{passage.text}" if passage.title else passage.text)
                self._passages[passage.id] = passage

    def remove(self, id: str) -> None:
        """Forget a passage.

        Raises:
            KeyError: there is none of that id.
        """
        with self._lock:
            del self._passages[id]
            for index in (self._texts, self._vectors):
                if index is not None:
                    index.remove(id)

    def search(self, text: str, *, vector: Sequence[float] | None = None, limit: int = 5) -> list[Found]:
        """The passages that fit best, the best first; found by words, by vectors, or in both rankings together.

        Args:
            text: what is asked.
            vector: that of the question; without it, passages are found by words alone.
            limit: how many are wanted at most.

        Raises:
            InvalidInput: `limit` cannot be, or nothing can be found this way.
        """
        if not is_count(limit):
            raise InvalidInput(f"Collection.search(limit={limit!r}): write a number, 1 or more")
        rankings = []
        with self._lock:
            if self._texts is not None:
                rankings.append(self._texts.search(text, _DEPTH * limit))
            if self._vectors is not None and vector is not None:
                rankings.append(self._vectors.search(vector, _DEPTH * limit))
            if not rankings:
                raise InvalidInput("Collection.search: the collection finds by vectors alone: give vector=")
            hits = rankings[0][:limit] if len(rankings) == 1 else reciprocal_rank_fusion(rankings, limit)
            return [Found(self._passages[hit.id], hit.score) for hit in hits]

    def __len__(self) -> int:
        return len(self._passages)

    def __contains__(self, id: object) -> bool:
        return id in self._passages
