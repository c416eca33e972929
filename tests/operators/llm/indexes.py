"""What every index must do: one suite for texts, one for vectors."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from sage.operators.llm import Fts5Index, InvalidInput, SqliteVecIndex, TextIndex, VectorIndex

__all__ = ["CheckTextIndex", "CheckVectorIndex", "close"]


def close(index: TextIndex | VectorIndex) -> None:
    """Let go of the file of an index that has one."""
    if isinstance(index, Fts5Index | SqliteVecIndex):
        index.close()


class CheckTextIndex(ABC):
    """The contract of `TextIndex`; a test class derived from it says how one is made."""

    @abstractmethod
    def make(self) -> TextIndex:
        """A new one."""

    @pytest.fixture
    def empty(self) -> Iterator[TextIndex]:
        index = self.make()
        yield index
        close(index)

    @pytest.fixture
    def index(self, empty: TextIndex) -> TextIndex:
        index = empty
        index.add("cat", "A cat sleeps on the mat. Cats like mats.")
        index.add("dog", "A dog sleeps in the house.")
        index.add("tree", 'Trees grow; "quoted" OR NOT, NEAR(x) * word_count')
        return index

    def ids(self, index: TextIndex, text: str, limit: int = 10) -> list[str]:
        return [hit.id for hit in index.search(text, limit)]

    def test_it_finds_what_shares_words_the_best_first(self, index: TextIndex) -> None:
        assert self.ids(index, "sleeping on a mat: the cat sleeps") == ["cat", "dog"]
        scores = [hit.score for hit in index.search("cat sleeps", 10)]
        assert scores == sorted(scores, reverse=True)

    def test_it_gives_no_more_than_were_asked_for(self, index: TextIndex) -> None:
        assert self.ids(index, "cat sleeps", 1) == ["cat"]

    @pytest.mark.parametrize("text", ["", "...", "elephant"])
    def test_it_finds_nothing_where_no_word_is_shared(self, index: TextIndex, text: str) -> None:
        assert index.search(text, 3) == []

    @pytest.mark.parametrize("text", ["TREE", 'a "tree', "tree* AND", "NEAR(trees)", "word count", "word_counts"])
    def test_marks_and_words_of_a_query_language_are_just_text(self, index: TextIndex, text: str) -> None:
        assert self.ids(index, text)[0] == "tree"

    def test_a_text_is_replaced(self, index: TextIndex) -> None:
        index.add("cat", "a fish swims")
        assert (self.ids(index, "mat"), self.ids(index, "fish"), len(index)) == ([], ["cat"], 3)

    def test_a_text_is_forgotten(self, index: TextIndex) -> None:
        index.remove("cat")
        assert (self.ids(index, "sleeps cat"), len(index)) == (["dog"], 2)
        with pytest.raises(KeyError):
            index.remove("cat")

    def test_of_equals_the_smaller_id_comes_first(self, index: TextIndex) -> None:
        for id in ("b", "a", "c"):
            index.add(id, "the very same")
        assert self.ids(index, "very same") == ["a", "b", "c"]


class CheckVectorIndex(ABC):
    """The contract of `VectorIndex`; a test class derived from it says how one of two dimensions is made."""

    @abstractmethod
    def make(self) -> VectorIndex:
        """A new one."""

    @pytest.fixture
    def empty(self) -> Iterator[VectorIndex]:
        index = self.make()
        yield index
        close(index)

    @pytest.fixture
    def index(self, empty: VectorIndex) -> VectorIndex:
        index = empty
        index.add(["east", "north", "west"], [[2, 0], [0, 3], [-1, 0]])
        return index

    def ids(self, index: VectorIndex, vector: list[float], limit: int = 10) -> list[str]:
        return [hit.id for hit in index.search(vector, limit)]

    def test_it_finds_the_nearest_by_angle(self, index: VectorIndex) -> None:
        assert self.ids(index, [9, 1]) == ["east", "north", "west"]
        assert self.ids(index, [9, 1], 1) == ["east"]
        assert index.search([10, 0], 3)[0].score == pytest.approx(1, abs=1e-5)
        assert index.search([10, 0], 3)[-1].score == pytest.approx(-1, abs=1e-5)

    def test_an_empty_one_finds_nothing(self, empty: VectorIndex) -> None:
        assert (empty.search([1, 1], 5), len(empty), empty.dimensions) == ([], 0, 2)

    def test_a_vector_is_replaced(self, index: VectorIndex) -> None:
        index.add(["east"], [[0, -1]])
        assert (self.ids(index, [0, -5])[0], len(index)) == ("east", 3)

    def test_a_vector_is_forgotten_and_the_others_stay(self, index: VectorIndex) -> None:
        index.remove("east")
        assert (self.ids(index, [9, 1]), len(index)) == (["north", "west"], 2)
        index.add(["south"], [[0, -1]])
        assert self.ids(index, [0.1, -1])[0] == "south"
        with pytest.raises(KeyError):
            index.remove("east")

    def test_it_grows(self, index: VectorIndex) -> None:
        index.add([str(n) for n in range(100)], [[1, n / 50 - 1] for n in range(100)])
        assert len(index) == 103
        assert self.ids(index, [1, 0.5], 1) == ["75"]

    def test_a_vector_without_length_is_near_to_none(self, index: VectorIndex) -> None:
        index.add(["nothing"], [[0, 0]])
        assert self.ids(index, [1, 0.1], 1) == ["east"]

    @pytest.mark.parametrize(
        ("ids", "vectors", "text"),
        [
            (["a"], [[1, 2, 3]], "vectors of 2 numbers"),
            (["a", "b"], [[1, 2]], "2 ids for 1 vectors"),
            (["a"], [[1, float("nan")]], "not finite"),
        ],
    )
    def test_it_refuses_what_cannot_be(
        self, index: VectorIndex, ids: list[str], vectors: list[list[float]], text: str
    ) -> None:
        with pytest.raises(InvalidInput, match=text):
            index.add(ids, vectors)
        assert len(index) == 3

    def test_it_refuses_a_question_of_another_length(self, index: VectorIndex) -> None:
        with pytest.raises(InvalidInput, match="vectors of 2 numbers"):
            index.search([1], 1)
