"""Plain functions, and how far a mapping gets."""

import functools
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.operators.errors import InvalidOperator
from sage.operators.plain import map_until_error, plain_function, visible


class Callable2:
    def __call__(self, left: int, right: int) -> int:
        return left + right


@pytest.mark.parametrize("fitting", [max, Callable2(), functools.partial(lambda a, b, c: a, 1), lambda a, b=0: a])
def test_anything_callable_will_do(fitting: Any) -> None:
    assert plain_function(fitting, owner="here", arity=2).given is fitting


async def later(value: Any) -> Any:
    return value


def yielding(value: Any) -> Any:
    yield value


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (None, "here: None is a NoneType; write a plain function of one argument"),
        (later, r"here: later is async and must be a plain function; await what it needs in a map\(...\) before it"),
        (functools.partial(later), "here: later is async"),
        (yielding, "here: yielding yields and must be a plain function; return one result"),
        (lambda: 0, "here: the lambda.* cannot be called with one argument"),
    ],
)
def test_the_rest_is_refused_with_advice(wrong: Any, text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        plain_function(wrong, owner="here")


@given(st.lists(st.sampled_from([1, 2, ValueError("no"), StopIteration("no")])))
def test_a_mapping_stops_at_the_first_failure(values: list[Any]) -> None:
    def call(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return -value

    failing = next((row for row, value in enumerate(values) if isinstance(value, Exception)), None)
    results, error = map_until_error(call, values)
    assert results == [-value for value in values[:failing]]
    assert (error is None) == (failing is None)
    assert not isinstance(error, StopIteration)


def test_a_stop_iteration_is_made_visible() -> None:
    stop, other = StopIteration(), ValueError()
    assert visible(other) is other
    assert isinstance(visible(stop), RuntimeError)
    assert visible(stop).__cause__ is stop
