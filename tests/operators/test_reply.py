"""Records of answers go to whose they are, in order."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.elements import Batch
from sage.operators.reply import Reply
from sage.testing import OperatorHarness, run


async def deliver(names: list[str]) -> dict[str, list[Any]]:
    async with OperatorHarness(Reply[Any]()) as op:
        op.process(Batch(list(range(len(names))), calls=names or None))
        assert op.emitted == []
        return {name: list(op.call(name).unread) for name in "abc"}


@given(st.lists(st.sampled_from("abc")))
def test_each_gets_its_own_in_order(names: list[str]) -> None:
    expected = {name: [row for row, other in enumerate(names) if other == name] for name in "abc"}
    assert run(deliver(names)) == expected


async def test_records_of_nobody_are_dropped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with OperatorHarness(Reply[Any]()) as op:
        op.process([1, 2, 3])
        op.process([4])
    (record,) = caplog.records
    assert "dropped 3 records that belong to no request" in record.getMessage()


async def test_the_dead_are_not_told() -> None:
    async with OperatorHarness(Reply[Any]()) as op:
        op.call("a").kill(ValueError())
        op.process(Batch([1, 2], calls=["a", "b"]))
        assert list(op.call("a").unread) == []
        assert list(op.call("b").unread) == [2]
