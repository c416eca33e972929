"""Which subtask a key belongs to: the same everywhere and always, and equal keys together."""

import datetime
import enum
import fractions
import subprocess
import sys
import uuid
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, strategies as st

from sage.errors import GraphError
from sage.runtime.keys import KEY_GROUPS, key_group, subtask_of_group

ROOT = Path(__file__).resolve().parents[2]
UTC = datetime.UTC
NOON = datetime.datetime(2024, 1, 1, 12)  # noqa: DTZ001  # naive ones are keys, too
PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Size(enum.IntEnum):
    SMALL = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Point(NamedTuple):
    x: int
    y: int


#: Keys as source text, with the group that each has had since the first version. A change here moves the state of
#: programs that run already: it must be meant.
GOLDEN = {
    "''": 3851,
    "'a'": 2308,
    "'ключ'": 717,
    "'\\ud800'": 3156,
    "None": 3873,
    "0": 1146,
    "1": 1260,
    "-1": 1111,
    "2.5": 695,
    "10**30": 992,
    "float('inf')": 1564,
    "float('nan')": 4031,
    "1 + 2j": 2173,
    "b''": 4089,
    "b'a'": 2580,
    "()": 2728,
    "('a', 1)": 3974,
    "('a', ('b', None))": 3707,
    "frozenset({'a', 'b', 3})": 1397,
    "datetime.date(2024, 2, 29)": 2060,
    "datetime.datetime(2024, 2, 29, 12)": 2374,
    "datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)": 2858,
    "datetime.timedelta(days=1, microseconds=1)": 3058,
    "datetime.time(23, 59)": 3794,
    "uuid.UUID(int=7)": 1761,
    "decimal.Decimal('0.1')": 1975,
    "fractions.Fraction(1, 3)": 125,
}

_PRINT_GROUPS = (
    "import sys, datetime, decimal, fractions, uuid; from sage.runtime.keys import key_group;"
    "print(*[key_group(eval(key)) for key in sys.argv[1:]])"
)


@pytest.mark.parametrize("salt", ["1", "2"])
def test_groups_are_the_same_in_every_process(salt: str) -> None:
    environment = {"PYTHONHASHSEED": salt, "PATH": ""}
    command = [sys.executable, "-c", _PRINT_GROUPS, *GOLDEN]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert dict(zip(GOLDEN, map(int, done.stdout.split()), strict=True)) == GOLDEN


@pytest.mark.parametrize(
    "keys",
    [
        (1, 1.0, True, Decimal(1), fractions.Fraction(1), 1 + 0j, Size.SMALL),
        (0, 0.0, -0.0, False, Decimal("-0")),
        (0.5, fractions.Fraction(1, 2), Decimal("0.50")),
        ("hello", Word.HELLO),
        ((1, 2), (1.0, 2), Point(1, 2), (True, Decimal(2))),
        (frozenset({1, 2}), frozenset({2.0, True})),
        (datetime.datetime(2024, 1, 1, 12, tzinfo=UTC), datetime.datetime(2024, 1, 1, 14, tzinfo=PLUS_TWO)),
        (NOON, NOON.replace(fold=1)),
        (datetime.timedelta(hours=1), datetime.timedelta(seconds=3600)),
    ],
    ids=repr,
)
def test_equal_keys_have_one_group(keys: tuple[Any, ...]) -> None:
    assert len(set(keys)) == 1, "not a case of equal keys"
    assert len({key_group(key) for key in keys}) == 1


def test_equal_times_of_two_zones_have_one_group() -> None:
    keys = datetime.time(12, tzinfo=UTC), datetime.time(14, tzinfo=PLUS_TWO)
    assert keys[0] == keys[1]
    assert key_group(keys[0]) == key_group(keys[1])


NUMBERS = st.one_of(
    st.integers(), st.booleans(), st.floats(allow_nan=False), st.decimals(allow_nan=False), st.fractions()
)
KEYS = st.recursive(
    st.one_of(
        NUMBERS,
        st.text(),
        st.binary(),
        st.none(),
        st.dates(),
        st.datetimes(),
        st.uuids(),
        st.sampled_from(Colour),
    ),
    lambda inner: st.one_of(st.tuples(inner), st.tuples(inner, inner), st.frozensets(inner, max_size=3)),
    max_leaves=4,
)


@given(KEYS)
def test_a_group_is_one_of_them_and_does_not_change(key: Any) -> None:
    assert 0 <= key_group(key) < KEY_GROUPS
    assert key_group(key) == key_group(key)


@given(NUMBERS, NUMBERS)
def test_equal_numbers_of_any_kind_have_one_group(one: Any, other: Any) -> None:
    if one == other:
        assert key_group(one) == key_group(other)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_has_one_group_whatever_it_is_kept_in(number: float) -> None:
    assert key_group(number) == key_group(fractions.Fraction(number)) == key_group(Decimal(number))


def test_tuples_that_differ_in_their_parts_only_are_told_apart() -> None:
    keys: list[Any] = [("a", "b"), ("ab",), ("ab", ""), ("", "ab"), (("a",), "b"), ("a", ("b",)), (("a", "b"),), "ab"]
    assert len(set(map(key_group, keys))) == len(keys)


@pytest.mark.parametrize("parallelism", [2, 4, 7, 100])
def test_keys_are_spread_evenly(parallelism: int) -> None:
    keys: list[Any] = [*range(10_000), *map("user-{}".format, range(10_000)), *((i, str(i)) for i in range(10_000))]
    counts = Counter(subtask_of_group(key_group(key), parallelism) for key in keys)
    share = len(keys) / parallelism
    assert len(counts) == parallelism
    assert 0.7 * share < min(counts.values()) <= max(counts.values()) < 1.3 * share


@given(st.integers(1, KEY_GROUPS))
def test_each_subtask_owns_a_range_of_groups_of_nearly_equal_length(parallelism: int) -> None:
    owners = [subtask_of_group(group, parallelism) for group in range(KEY_GROUPS)]
    assert owners == sorted(owners)
    lengths = Counter(owners)
    assert set(lengths) == set(range(parallelism))
    assert max(lengths.values()) - min(lengths.values()) <= 1


@pytest.mark.parametrize("key", [0, "", False, None, (), b"", 0.0, frozenset()], ids=repr)
def test_falsy_keys_are_keys(key: Any) -> None:
    assert 0 <= key_group(key) < KEY_GROUPS


def test_falsy_keys_that_differ_are_told_apart() -> None:
    keys: list[Any] = ["", 0, None, (), b"", frozenset()]
    assert len(set(map(key_group, keys))) == len(keys)


UNSTABLE: dict[str, Any] = {
    "object": object(),
    "list": [1],
    "dict": {"a": 1},
    "inside a tuple": ("a", object()),
    "class": str,
    "function": key_group,
    "inside a set": frozenset({object()}),
}


@pytest.mark.parametrize("key", UNSTABLE.values(), ids=UNSTABLE)
def test_a_key_without_a_stable_hash_is_refused(key: object) -> None:
    with pytest.raises(
        GraphError, match=r"^key_by: a key of type \w+ has no hash that is stable .*; return text, a number"
    ):
        key_group(key)


class Weight:
    """A number in one respect, but equal to nothing and hashed by its address."""

    def __float__(self) -> float:
        return 1.0


@pytest.mark.parametrize("key", [int, float, bool, Weight()], ids=["int", "float", "bool", "with __float__"])
def test_what_only_looks_like_a_number_is_refused(key: Any) -> None:
    with pytest.raises(GraphError, match="has no hash that is stable"):
        key_group(key)


def test_not_a_number_is_one_key() -> None:
    assert key_group(float("nan")) == key_group(-float("nan"))


@pytest.mark.parametrize("kind", [Decimal, complex])
def test_not_a_number_is_one_key_for_every_type_of_number(kind: Any) -> None:
    keys = [kind("nan") for _ in range(8)]
    assert len(set(map(key_group, keys))) == 1


def test_dates_and_times_of_the_same_text_are_told_apart() -> None:
    assert key_group(NOON) != key_group(NOON.replace(tzinfo=UTC))
    assert key_group(NOON) != key_group(NOON.date())
    assert key_group(uuid.UUID(int=1)) != key_group(uuid.UUID(int=1).bytes)
