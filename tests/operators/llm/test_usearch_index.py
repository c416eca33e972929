"""Nearest vectors by usearch."""

import pytest

from sage.operators.llm import UsearchIndex
from tests.operators.llm.indexes import CheckVectorIndex

pytest.importorskip("usearch")


class TestUsearchIndex(CheckVectorIndex):
    def make(self) -> UsearchIndex:
        return UsearchIndex(2)
