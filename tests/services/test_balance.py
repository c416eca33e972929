"""Which replica gets a call."""

from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

import sage
from sage.services.balance import ByKey, LeastOutstanding, RoundRobin, balance_named


@dataclass
class Replica:
    index: int
    outstanding: int = 0


def test_each_in_turn() -> None:
    balance, replicas = RoundRobin(), [Replica(index) for index in range(3)]
    assert [balance.choose(replicas, ()).index for _ in range(5)] == [0, 1, 2, 0, 1]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_the_one_with_the_fewest_unanswered_calls(loads: list[int]) -> None:
    balance, replicas = LeastOutstanding(), [Replica(index, load) for index, load in enumerate(loads)]
    for _ in range(20):
        chosen = balance.choose(replicas, ())
        assert chosen.outstanding == min(replica.outstanding for replica in replicas)
        chosen.outstanding += 1


def test_among_equals_each_in_turn() -> None:
    balance, replicas = LeastOutstanding(), [Replica(index) for index in range(3)]
    assert sorted(balance.choose(replicas, ()).index for _ in range(3)) == [0, 1, 2]


@given(st.lists(st.text(), min_size=1, max_size=30), st.integers(2, 6))
def test_a_key_keeps_its_replica_and_only_the_keys_of_one_that_goes_move(keys: list[str], count: int) -> None:
    balance, replicas = ByKey(), [Replica(index) for index in range(count)]
    before = {key: balance.choose(replicas, (key,)).index for key in keys}
    assert before == {key: balance.choose(replicas, (key,)).index for key in keys}
    gone, left = replicas[0], replicas[1:]
    after = {key: balance.choose(left, (key,)).index for key in keys}
    assert {key: place for key, place in after.items() if before[key] != gone.index} == {
        key: place for key, place in before.items() if place != gone.index
    }


def test_a_hot_key_goes_to_the_next_when_its_replica_has_more_than_its_share() -> None:
    balance, replicas = ByKey(bound=1.25), [Replica(index) for index in range(4)]
    for _ in range(100):
        balance.choose(replicas, ("hot",)).outstanding += 1
    assert max(replica.outstanding for replica in replicas) <= 1.25 * 25 + 1


def test_the_key_is_the_first_argument_or_what_a_function_finds() -> None:
    replicas = [Replica(index) for index in range(8)]
    assert ByKey().choose(replicas, ("a", 1)) is ByKey().choose(replicas, ("a", 2))
    found = ByKey(lambda request: request["session"])
    assert found.choose(replicas, ({"session": 1, "n": 1},)) is found.choose(replicas, ({"session": 1, "n": 2},))


def test_a_key_may_be_found_among_arguments_given_by_name() -> None:
    replicas = [Replica(index) for index in range(8)]
    found = ByKey(lambda text, session: session)
    by_name = found.choose(replicas, ("a",), {"session": 1})
    assert found.choose(replicas, ("b", 1)) is by_name
    with pytest.raises(TypeError, match=r"all are given by name \(text, session\); give the key by position"):
        ByKey().choose(replicas, (), {"text": "a", "session": 1})


def test_names() -> None:
    assert isinstance(balance_named("key"), ByKey)
    with pytest.raises(sage.GraphError, match=r"balance='most' is not known; write one of 'least', 'round_robin'"):
        balance_named("most")
    with pytest.raises(sage.GraphError, match=r"ByKey\(bound=0.5\)"):
        ByKey(bound=0.5)
