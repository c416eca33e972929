"""Nearest vectors by usearch."""

import contextlib

import pytest

from sage.operators.llm import UsearchIndex
from tests.operators.llm.indexes import CheckVectorIndex

with contextlib.suppress(ImportError):
    import ray  # noqa: F401  # loaded behind usearch it would end the process when a cluster is started
pytest.importorskip("usearch")


class TestUsearchIndex(CheckVectorIndex):
    def make(self) -> UsearchIndex:
        return UsearchIndex(2)
