"""What counts as a number."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from sage.operators.numbers import is_count, is_number


@pytest.mark.parametrize(("value", "least", "expected"), [(1, 1, True), (0, 1, False), (0, 0, True), (2, 3, False)])
def test_a_count_has_a_least_value(value: int, least: int, expected: bool) -> None:
    assert is_count(value, least) is expected


@pytest.mark.parametrize("value", [True, False, 1.0, "1", b"1", None, Decimal(1), [1]])
def test_other_things_are_no_counts(value: Any) -> None:
    assert not is_count(value, 0)


@pytest.mark.parametrize(
    ("value", "least", "beyond", "expected"),
    [
        (0, 0, False, True),
        (0.0, 0, True, False),
        (0.5, 0, True, True),
        (-1, 0, False, False),
        (1, 1, False, True),
        (1, 1, True, False),
        (1e300, 0, True, True),
    ],
)
def test_a_number_has_a_least_value(value: float, least: float, beyond: bool, expected: bool) -> None:
    assert is_number(value, least=least, beyond=beyond) is expected


@pytest.mark.parametrize("value", [True, "1", None, 1j, Fraction(1), float("nan"), float("inf"), float("-inf")])
def test_other_things_are_no_numbers(value: Any) -> None:
    assert not is_number(value, least=-1)
