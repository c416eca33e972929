"""The index of texts in SQLite."""

from pathlib import Path

from sage.operators.llm import BM25, Fts5Index
from tests.operators.llm.indexes import CheckTextIndex

TEXTS = {
    "loop": "The event loop runs tasks. A task waits for a future.",
    "queue": "A queue holds items until a task takes them. Queues may be bounded.",
    "lock": "A lock is held by one task at a time.",
    "file": "A file is read and written, line by line.",
}


class TestFts5Index(CheckTextIndex):
    def make(self) -> Fts5Index:
        return Fts5Index()


def test_it_ranks_as_the_index_in_memory_does() -> None:
    ours, theirs = BM25(), Fts5Index()
    for id, text in TEXTS.items():
        ours.add(id, text)
        theirs.add(id, text)
    for question in ("bounded queue", "which task waits for a future?", "read a line of a file"):
        assert ours.search(question, 1)[0].id == theirs.search(question, 1)[0].id
    theirs.close()


def test_a_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "texts.db"
    index = Fts5Index(path)
    index.add("a", "hello world")
    index.close()
    index.close()
    again = Fts5Index(path)
    assert ([hit.id for hit in again.search("worlds", 3)], len(again)) == (["a"], 1)
    again.close()
