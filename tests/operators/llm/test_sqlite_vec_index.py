"""Nearest vectors in SQLite."""

import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.llm import MissingPackage, SqliteVecIndex
from tests.operators.llm.indexes import CheckVectorIndex

pytest.importorskip("sqlite_vec")
CAN_LOAD = hasattr(sqlite3.Connection, "enable_load_extension")
if not CAN_LOAD and find_spec("pysqlite3") is None:
    pytest.skip("no SQLite that loads extensions", allow_module_level=True)


class TestSqliteVecIndex(CheckVectorIndex):
    def make(self) -> SqliteVecIndex:
        return SqliteVecIndex(2)


def test_a_file_stays_and_knows_its_length(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    index = SqliteVecIndex(2, path)
    index.add(["a", "b"], [[1, 0], [0, 1]])
    index.close()
    index.close()
    again = SqliteVecIndex(2, path)
    assert ([hit.id for hit in again.search([1, 0.1], 1)], len(again)) == (["a"], 2)
    again.close()
    with pytest.raises(InvalidOperator, match="the file holds vectors of 2"):
        SqliteVecIndex(3, path)


@pytest.mark.skipif(CAN_LOAD, reason="this SQLite loads extensions by itself")
def test_without_an_sqlite_that_loads_extensions_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysqlite3", None)
    with pytest.raises(MissingPackage, match="pip install pysqlite3-binary, or use ExactIndex"):
        SqliteVecIndex(2)
