"""Functions that are called inline and have no life cycle: the step of a fold, the measure of a maximum."""

import inspect
from asyncio import Future
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

from sage.operators.callables import Shape, UserFunction, user_function
from sage.operators.errors import InvalidOperator, shorten
from sage.operators.functions import Function

__all__ = ["is_iterable", "map_until_error", "plain_function", "refuse_awaitable", "same", "visible"]

_ARGUMENTS = {0: "no arguments", 1: "one argument"}


def plain_function(given: Any, *, owner: str, arity: int = 1) -> UserFunction:
    """Check what the user gave where only a plain function will do.

    Args:
        given: any callable that is not async, no generator and no function class.
        owner: how errors call the operator, with the parameter if there are several, e.g. ``sum: of``.
        arity: with how many arguments it is called.

    Raises:
        InvalidOperator: it is something else; the message says what to write instead.
    """
    kind = given if isinstance(given, type) else type(given)
    if not callable(given) or issubclass(kind, Function):
        raise InvalidOperator(
            f"{owner}: {shorten(given)} is a {kind.__name__}; "
            f"write a plain function of {_ARGUMENTS.get(arity, f'{arity} arguments')}"
        )
    function = user_function(given, owner=owner, base=Function, method="", arity=arity)
    if function.shape.is_async:
        raise InvalidOperator(
            f"{owner}: {function.shown} is async and must be a plain function; "
            f"await what it needs in a map(...) before it"
        )
    if function.shape is Shape.GENERATOR:
        raise InvalidOperator(f"{owner}: {function.shown} yields and must be a plain function; return one result")
    return function


def map_until_error(
    call: Callable[[Any], Any], values: list[Any], then: Callable[[Any], Any] | None = None
) -> tuple[list[Any], Exception | None]:
    """Call for each value at C speed; return the results up to the first call that fails, and its error, if any.

    Args:
        call: what is called.
        values: with what.
        then: what is called with each result in turn, and may fail as well.
    """
    results: list[Any] = []
    calls = map(call, values)
    try:
        results.extend(calls if then is None else map(then, calls))  # on an error, what came before it survives
    except Exception as error:
        return results, error
    if len(results) < len(values):  # to `map` and `extend`, a StopIteration looks like the end
        return results, RuntimeError("the function raised StopIteration")
    return results, None


def is_iterable(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether `for` can iterate over a value; over a future it cannot, whose ``__iter__`` is for `await`."""
    return isinstance(value, Iterable) and not isinstance(value, Future)


def refuse_awaitable(result: Any, operator: str) -> None:
    """Tell who wrote a plain function (a lambda, mostly) that calls an async one without awaiting it.

    Raises:
        InvalidOperator: `result` is awaitable.
    """
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise InvalidOperator(
            f"{operator}: the function returned something to await ({type(result).__name__}), but is not async itself; "
            f"write `async def` and `await` what it calls"
        )


def visible(error: Exception) -> Exception:
    """The error as it can be raised in a generator, where a StopIteration would be taken for the end."""
    if not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError("the function raised StopIteration")
    wrapped.__cause__ = error
    return wrapped


def same(value: Any) -> Any:
    """The value itself."""
    return value
