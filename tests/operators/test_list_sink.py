"""Puts values into a list."""

import pytest

from sage.operators.elements import Batch
from sage.operators.list_sink import Collect
from sage.testing import OperatorHarness


async def test_values_are_appended_in_order() -> None:
    found = [0]
    async with OperatorHarness(Collect(found)) as op:
        op.process(Batch([1, 2], ["k", "k"], [1, 2]))
        op.process([3])
        await op.end()
    assert found == [0, 1, 2, 3]
    assert op.emitted == []


def test_two_lists_are_two_sinks_even_when_equal() -> None:
    first: Collect[int] = Collect([])
    second: Collect[int] = Collect([])
    assert first != second
    assert len({first, second}) == 2


@pytest.mark.parametrize(("anew", "expected"), [(True, [1]), (False, [0, 1])])
async def test_a_list_is_emptied_only_when_asked_for(anew: bool, expected: list[int]) -> None:
    found = [0]
    async with OperatorHarness(Collect(found, anew=anew)) as op:
        op.process([1])
    assert found == expected
