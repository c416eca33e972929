"""Nearest vectors in an SQLite file that stays, by looking at all of them. Needs sqlite-vec."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sage.operators.errors import InvalidOperator
from sage.operators.llm.index import Hit
from sage.operators.llm.optional import MissingPackage, needed
from sage.operators.llm.vectors import checked_dimensions, unit_rows, unit_vector

__all__ = ["SqliteVecIndex"]

#: sqlite-vec finds no more at a time.
_MOST = 4096


class SqliteVecIndex:
    """Vectors in a table of sqlite-vec; see `VectorIndex`. What it finds are the nearest.

    Its calls block. SQLite must be able to load extensions: where Python's own cannot, pysqlite3 is used if it is
    installed.

    Args:
        dimensions: how many numbers a vector has.
        path: the file, made if there is none; `None` for memory.

    Raises:
        InvalidOperator: not a number of dimensions, or the file holds vectors of another length.
        MissingPackage: sqlite-vec is not installed, or SQLite cannot load it.
    """

    def __init__(self, dimensions: int, path: str | Path | None = None) -> None:
        self._dimensions = checked_dimensions(dimensions, "SqliteVecIndex")
        needed("numpy", extra="rag")
        self._database = _connected(":memory:" if path is None else str(path))
        self._database.executescript(
            f"""
            create table if not exists ids(number integer primary key, id text unique not null);
            create virtual table if not exists vectors using vec0(
                vector float[{dimensions}] distance_metric=cosine);
            """
        )
        self._check_length()

    @property
    def dimensions(self) -> int:
        """See `VectorIndex.dimensions`."""
        return self._dimensions

    def add(self, ids: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
        """See `VectorIndex.add`. What was added is in the file when this returns."""
        rows = unit_rows(ids, vectors, self._dimensions)
        with self._database as database:
            for id, row in zip(ids, rows, strict=True):
                self._forget(id)
                number = database.execute("insert into ids(id) values (?)", (id,)).lastrowid
                database.execute("insert into vectors(rowid, vector) values (?, ?)", (number, row.tobytes()))

    def remove(self, id: str) -> None:
        """See `VectorIndex.remove`."""
        with self._database:
            if not self._forget(id):
                raise KeyError(id)

    def search(self, vector: Sequence[float], limit: int) -> list[Hit]:
        """See `VectorIndex.search`. It gives 4,096 at most."""
        asked = unit_vector(vector, self._dimensions).tobytes()
        found = self._database.execute(
            "select ids.id, near.distance from "
            "(select rowid, distance from vectors where vector match ? and k = ?) as near "
            "join ids on ids.number = near.rowid",
            (asked, max(0, min(limit, _MOST))),
        )
        # Of a vector without length there is no angle, so no distance.
        hits = [Hit(id, 0.0 if distance is None else 1 - distance) for id, distance in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))

    def close(self) -> None:
        """Let go of the file; twice is harmless."""
        self._database.close()

    def __len__(self) -> int:
        (count,) = self._database.execute("select count(*) from ids").fetchone()
        return int(count)

    def _forget(self, id: str) -> bool:
        row = self._database.execute("select number from ids where id = ?", (id,)).fetchone()
        if row is None:
            return False
        self._database.execute("delete from vectors where rowid = ?", row)
        self._database.execute("delete from ids where number = ?", row)
        return True

    def _check_length(self) -> None:
        row = self._database.execute("select vec_length(vector) from vectors limit 1").fetchone()
        if row is not None and row[0] != self._dimensions:
            self._database.close()
            raise InvalidOperator(f"SqliteVecIndex(dimensions={self._dimensions}): the file holds vectors of {row[0]}")


def _connected(path: str) -> Any:
    """A connection that knows vectors.

    Raises:
        MissingPackage: SQLite cannot be taught.
    """
    extension = needed("sqlite_vec", extra="rag")
    database: Any = sqlite3.connect(path, check_same_thread=False)
    if not hasattr(database, "enable_load_extension"):
        database.close()
        try:
            other = needed("pysqlite3", extra="rag")
        except MissingPackage:
            raise MissingPackage(
                "the SQLite of this Python cannot load extensions: pip install pysqlite3-binary, or use ExactIndex"
            ) from None
        database = other.connect(path, check_same_thread=False)
    database.enable_load_extension(True)
    extension.load(database)
    database.enable_load_extension(False)
    return database
