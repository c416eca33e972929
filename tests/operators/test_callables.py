"""What may be given where a function is wanted."""

import functools
import threading
from typing import Any

import pytest

from sage.operators.callables import BoundFunction, Shape, UserFunction, label_of, shape_of, user_function
from sage.operators.errors import InvalidOperator
from sage.operators.functions import FilterFunction, MapFunction


def plain(value: int) -> int:
    return value


async def later(value: int) -> int:
    return value


def yielding(value: int) -> Any:
    yield value


async def yielding_later(value: int) -> Any:
    yield value


class CalledPlain:
    def __call__(self, value: int) -> int:
        return value


class CalledLater:
    async def __call__(self, value: int) -> int:
        return value

    async def method(self, value: int) -> int:
        return value

    @staticmethod
    def static(value: int) -> Any:
        yield value


class Doubled(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return 2 * value


class DoubledLater(MapFunction[int, int]):
    async def map(self, value: int) -> int:
        return 2 * value


class Shared(MapFunction[int, int]):
    def __init__(self, lock: Any = None) -> None:
        self.seen: list[int] = []
        self.lock = lock

    def map(self, value: int) -> int:
        self.seen.append(value)
        return value


class NeedsArgument(MapFunction[int, int]):
    def __init__(self, by: int) -> None:
        self.by = by

    def map(self, value: int) -> int:
        return value + self.by


class Abstract(MapFunction[int, int]):
    pass


def instance_of(function: UserFunction, subtask: int) -> Any:
    """What one of two subtasks calls."""
    method: Any = function.bind(subtask, 2).call
    return method.__self__


def as_map(given: Any, arity: int = 1) -> UserFunction:
    return user_function(given, owner="map", base=MapFunction, method="map", arity=arity)


# ---- shapes and labels


@pytest.mark.parametrize(
    ("function", "shape", "label"),
    [
        (plain, Shape.PLAIN, "plain"),
        (later, Shape.ASYNC, "later"),
        (yielding, Shape.GENERATOR, "yielding"),
        (yielding_later, Shape.ASYNC_GENERATOR, "yielding_later"),
        (lambda value: value, Shape.PLAIN, ""),
        (len, Shape.PLAIN, "len"),
        (str, Shape.PLAIN, "str"),
        (str.upper, Shape.PLAIN, "upper"),
        ([].append, Shape.PLAIN, "append"),
        (CalledPlain(), Shape.PLAIN, "CalledPlain"),
        (CalledLater(), Shape.ASYNC, "CalledLater"),
        (CalledLater().method, Shape.ASYNC, "method"),
        (CalledLater.static, Shape.GENERATOR, "static"),
        (functools.partial(plain), Shape.PLAIN, "plain"),
        (functools.partial(functools.partial(later)), Shape.ASYNC, "later"),
        (functools.partial(CalledLater()), Shape.ASYNC, "CalledLater"),
        (functools.partial(lambda value: value), Shape.PLAIN, ""),
    ],
)
def test_shapes_and_labels_are_seen_through_wrappers(function: Any, shape: Shape, label: str) -> None:
    assert shape_of(function) is shape
    assert label_of(function) == label
    assert as_map(function).shape is shape


@pytest.mark.parametrize(("given", "shape"), [(Doubled, Shape.PLAIN), (DoubledLater(), Shape.ASYNC)])
def test_function_classes_have_the_shape_of_their_method(given: Any, shape: Shape) -> None:
    function = as_map(given)
    assert (function.shape, function.method) == (shape, "map")
    assert function.label.startswith("Doubled")


def test_which_shapes_are_async() -> None:
    assert [shape for shape in Shape if shape.is_async] == [Shape.ASYNC, Shape.ASYNC_GENERATOR]


# ---- signatures


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: 0, r"map: the lambda\(\) cannot be called with one argument, the record: too many"),
        (
            lambda left, right: left,
            r"map: the lambda\(left, right\) cannot be called .* missing a required argument: 'right'",
        ),
        (functools.partial(plain, 1), r"map: plain\(\) -> int cannot be called"),
        (5, "map: 5 is a int, not a function; write a function of 1 argument or a sage.MapFunction"),
        (None, "map: None is a NoneType, not a function"),
        ("x" * 500, r"map: 'x+… \(502 characters\) is a str"),
        (FilterFunction, "map: FilterFunction is not a MapFunction; derive it from sage.MapFunction"),
        (Abstract, "map: Abstract does not define map"),
        (NeedsArgument, r"map: NeedsArgument\(\) is made for each subtask without arguments.*give an instance instead"),
    ],
)
def test_what_cannot_be_called_is_refused_with_advice(wrong: Any, text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        as_map(wrong)


@pytest.mark.parametrize(
    "fitting",
    [
        lambda value, more=0: value,
        lambda *values: values,
        lambda value, **more: value,
        NeedsArgument(1),
        type("Static", (MapFunction,), {"map": staticmethod(plain)}),
        dict.fromkeys,
        max,
    ],
)
def test_what_can_be_called_is_taken(fitting: Any) -> None:
    assert as_map(fitting).given is fitting


def test_two_arguments() -> None:
    assert as_map(lambda left, right: left, arity=2).shape is Shape.PLAIN
    with pytest.raises(InvalidOperator, match="cannot be called with 2 arguments"):
        as_map(plain, arity=2)
    with pytest.raises(InvalidOperator, match="write a function of 2 arguments"):
        as_map(5, arity=2)


# ---- one for each subtask


def test_a_plain_function_is_called_as_it_is() -> None:
    assert as_map(plain).bind(0, 4).call is plain


def test_an_instance_alone_is_used_as_it_is() -> None:
    shared = Shared()
    as_map(shared).bind(0, 1).call(7)
    assert shared.seen == [7]


def test_several_subtasks_have_deep_copies() -> None:
    shared = Shared()
    function = as_map(shared)
    copies = [instance_of(function, subtask) for subtask in range(2)]
    copies[0].map(7)
    assert (shared.seen, copies[0].seen, copies[1].seen) == ([], [7], [])


def test_a_class_is_made_for_each_subtask() -> None:
    function = as_map(Shared)
    first, second = (instance_of(function, subtask) for subtask in range(2))
    assert type(first) is type(second) is Shared
    assert first is not second


def test_an_instance_that_cannot_be_copied_is_refused_for_several_subtasks() -> None:
    function = as_map(Shared(threading.Lock()))
    assert function.bind(0, 1).call(1) == 1
    with pytest.raises(InvalidOperator, match=r"Shared cannot be copied for 2 subtasks .*give the class instead"):
        function.bind(0, 2)


async def test_without_an_instance_there_is_nothing_to_open() -> None:
    bound = BoundFunction(plain, None)
    await bound.open(None)
    await bound.close()
    assert bound.call(1) == 1


async def test_an_instance_of_two_operators_keeps_its_context_until_the_second_is_closed() -> None:
    instance = Doubled()
    first, second = BoundFunction(instance.map, instance), BoundFunction(instance.map, instance)
    await first.open("first")
    await second.open("second")
    await first.close()
    kept: Any = instance.context
    assert kept == "second"
    await second.close()
    with pytest.raises(RuntimeError, match=r"from open\(\) to close\(\) only"):
        instance.context  # noqa: B018
