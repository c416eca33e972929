"""Faults as they are written, and as they are drawn."""

import math

import pytest

from sage.errors import GraphError
from sage.serving.mock import MockOptions
from sage.serving.mock.faults import Faults, Trouble


def test_nothing_goes_wrong_by_itself() -> None:
    assert Faults().drawn({"x-mock-unknown": "1"}) == Trouble()


def test_each_fault_is_read() -> None:
    faults = Faults(["error=503", "overload=2.5", "first=0.5", "stall=3:4", "cut=5"])
    assert faults.drawn({}) == Trouble(503, 2.5, 5, {0: 0.5, 3: 4.0})
    assert Faults(["stall=0", "first=1"]).drawn({}) == Trouble(pauses={0: math.inf})


def test_a_request_comes_before_the_server() -> None:
    assert Faults(["cut=5"]).drawn({"x-mock-cut": "7"}).cut_after == 7
    assert Faults(["cut=5"]).drawn({"x-mock-cut": "7@0"}).cut_after is None


def test_a_probability_is_kept_and_equal_seeds_draw_alike() -> None:
    drawn = [Faults(["error=500@0.25"], seed=3) for _ in range(2)]
    first, second = ([faults.drawn({}).error for _ in range(2_000)] for faults in drawn)
    assert first == second
    assert 400 < first.count(500) < 600


@pytest.mark.parametrize(
    "text", ["error=99", "error=500.5", "error=", "cut=1.5", "cut=-1", "cut=1:2", "stall=1:-1", "first=nan", "cut=1@2"]
)
def test_values_that_cannot_be(text: str) -> None:
    name = text.partition("=")[0]
    with pytest.raises(GraphError, match=f"write {name}="):
        Faults([text])


def test_faults_that_do_not_exist() -> None:
    with pytest.raises(GraphError, match="error, overload, first, stall, cut"):
        Faults(["explode=1"])


def test_options_that_cannot_be() -> None:
    with pytest.raises(GraphError, match="tokens"):
        MockOptions(tokens=0)
    with pytest.raises(GraphError, match="models"):
        MockOptions(models=())
