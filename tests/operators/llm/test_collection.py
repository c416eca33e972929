"""Passages that can be found."""

from collections.abc import Callable

import pytest

from sage.operators.errors import InvalidOperator, OperatorError
from sage.operators.llm import BM25, Collection, ExactIndex, Fts5Index, InvalidInput, Passage
from tests.operators.llm.indexes import close

PASSAGES = [Passage("red apple", "a", "Fruit"), Passage("green pear", "b"), Passage("red car", "c")]
VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]


def found(collection: Collection, text: str, **options: object) -> list[str]:
    return [one.passage.source for one in collection.search(text, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [BM25, Fts5Index])
def test_by_words_in_text_and_title(texts: Callable[[], BM25 | Fts5Index]) -> None:
    index = texts()
    collection = Collection(texts=index)
    collection.add(PASSAGES)
    assert found(collection, "a fruit") == ["a"]
    assert found(collection, "red", limit=1) == ["c"]
    assert (len(collection), PASSAGES[0].id in collection) == (3, True)
    close(index)


def test_by_vectors_and_by_both() -> None:
    alone = Collection(texts=None, vectors=ExactIndex(2))
    alone.add(PASSAGES, VECTORS)
    assert found(alone, "", vector=[0, 1], limit=2) == ["b", "c"]
    both = Collection(vectors=ExactIndex(2))
    both.add(PASSAGES, VECTORS)
    assert found(both, "car", vector=[1, 0]) == ["c", "a", "b"]
    assert found(both, "car") == ["c"]


def test_passages_are_replaced_and_forgotten() -> None:
    collection = Collection(vectors=ExactIndex(2))
    collection.add(PASSAGES, VECTORS)
    collection.add([PASSAGES[0]], [[0, 1]])
    assert len(collection) == 3
    collection.remove(PASSAGES[0].id)
    assert found(collection, "fruit red", vector=[0, 1]) == ["c", "b"]
    with pytest.raises(KeyError):
        collection.remove(PASSAGES[0].id)


def test_a_refused_vector_leaves_no_passage_behind() -> None:
    collection = Collection(vectors=ExactIndex(2))
    with pytest.raises(InvalidInput):
        collection.add(PASSAGES, [[1], [2], [3]])
    assert len(collection) == 0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Collection(texts=None), "nothing could be found"),
        (lambda: Collection().add(PASSAGES, VECTORS), "has no index of vectors"),
        (lambda: Collection(vectors=ExactIndex(2)).add(PASSAGES), "give vectors="),
        (lambda: Collection().search("x", limit=0), "limit=0"),
        (lambda: Collection(texts=None, vectors=ExactIndex(2)).search("x"), "give vector="),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(OperatorError, match=text) as raised:
        make()
    # What a collection is asked with while a program runs says nothing against the program.
    assert isinstance(raised.value, InvalidOperator if "nothing could" in text else InvalidInput)


def test_an_index_that_is_in_use_is_refused() -> None:
    index = BM25()
    index.add("x", "y")
    with pytest.raises(InvalidOperator, match="BM25 holds 1 entries"):
        Collection(texts=index)
