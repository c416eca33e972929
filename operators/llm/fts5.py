"""An index of texts in SQLite, in memory or in a file that stays."""

import sqlite3
from pathlib import Path

from sage.operators.llm.index import Hit
from sage.operators.llm.text import words

__all__ = ["Fts5Index"]

_TABLES = """
create table if not exists texts(number integer primary key, id text unique not null, text text not null);
create virtual table if not exists words using fts5(text, content='texts', content_rowid='number');
"""


class Fts5Index:
    """A full-text index of SQLite (FTS5, ranked by BM25); see `TextIndex`.

    Its calls block: beyond some ten thousand texts, put it into a service of its own process, or use
    ``map(..., blocking=True)``.

    Args:
        path: the file, made if there is none; `None` for memory.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        # Threads of a pool may take turns with it; sqlite3 has them wait for one another.
        self._database = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
        self._database.executescript(_TABLES)

    def add(self, id: str, text: str) -> None:
        """See `TextIndex.add`. What was added is in the file when this returns."""
        indexed = " ".join(words(text))
        with self._database as database:
            self._forget(id)
            added = database.execute("insert into texts(id, text) values (?, ?)", (id, indexed))
            database.execute("insert into words(rowid, text) values (?, ?)", (added.lastrowid, indexed))

    def remove(self, id: str) -> None:
        """See `TextIndex.remove`."""
        with self._database:
            if not self._forget(id):
                raise KeyError(id)

    def search(self, text: str, limit: int) -> list[Hit]:
        """See `TextIndex.search`. Of equal scores, the smaller id comes first."""
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(words(text)))
        if not asked:
            return []
        found = self._database.execute(
            "select texts.id, -bm25(words) as score from words join texts on texts.number = words.rowid "
            "where words match ? order by score desc, texts.id limit ?",
            (asked, limit),
        )
        return [Hit(id, score) for id, score in found]

    def close(self) -> None:
        """Let go of the file; twice is harmless."""
        self._database.close()

    def __len__(self) -> int:
        (count,) = self._database.execute("select count(*) from texts").fetchone()
        return int(count)

    def _forget(self, id: str) -> bool:
        row = self._database.execute("select number, text from texts where id = ?", (id,)).fetchone()
        if row is None:
            return False
        self._database.execute("insert into words(words, rowid, text) values ('delete', ?, ?)", row)
        self._database.execute("delete from texts where number = ?", row[:1])
        return True
