"""What the user gave where a function was wanted: its shape, its label, and how a subtask gets its own."""

import asyncio
import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sage.operators.errors import InvalidOperator, shorten
from sage.operators.functions import Function

__all__ = ["BoundFunction", "Shape", "UserFunction", "check_method", "user_function"]


class Shape(Enum):
    """How a function gives its results."""

    PLAIN = "returns"
    ASYNC = "is awaited"
    GENERATOR = "yields"
    ASYNC_GENERATOR = "yields, awaiting in between"

    @property
    def is_async(self) -> bool:
        """Whether the function must run in a task rather than inline."""
        return self in (Shape.ASYNC, Shape.ASYNC_GENERATOR)

    @property
    def yields(self) -> bool:
        """Whether calling the function only makes a generator."""
        return self in (Shape.GENERATOR, Shape.ASYNC_GENERATOR)


class BoundFunction:
    """The user's function as one subtask has it.

    Attributes:
        call: what is called for each record.
    """

    def __init__(self, call: Callable[..., Any], instance: Function | None) -> None:
        self.call = call
        self._instance = instance
        self._context: Any = None

    async def open(self, context: Any) -> None:
        """Open the function class, if it is one.

        Cancel safety: when cancelled, the runner calls `close`.
        """
        if self._instance is not None:
            self._context = self._instance._context = context
            await _settled(self._instance.open(context))

    async def close(self) -> None:
        """Close the function class, if it is one.

        Cancel safety: when cancelled, the function counts as closed.
        """
        if self._instance is not None:
            try:
                await _settled(self._instance.close())
            finally:
                if self._instance._context is self._context:  # else another operator has the same object, and goes on
                    self._instance._context = None


@dataclass(frozen=True)
class UserFunction:
    """A function that the user gave, checked.

    Attributes:
        given: what the user wrote: a callable, a function class or an instance of one.
        method: the method that is called for each record when it is (an instance of) a function class, else `None`.
        shape: how it gives its results.
        label: its name, empty for a lambda.
    """

    given: Any
    method: str | None
    shape: Shape
    label: str

    @property
    def shown(self) -> str:
        """What errors call it."""
        return self.label or "the lambda"

    def bind(self, subtask: int, parallelism: int) -> BoundFunction:
        """Make the function of one subtask; opening it is the caller's business.

        Raises:
            InvalidOperator: the instance cannot be copied for several subtasks.
        """
        if self.method is None:
            return BoundFunction(self.given, None)
        instance = self.instance(parallelism)
        return BoundFunction(getattr(instance, self.method), instance)

    def instance(self, parallelism: int) -> Function:
        """The object of one subtask of a function class: given as it is to a single subtask, else a copy or a new one.

        Raises:
            InvalidOperator: the instance cannot be copied for several subtasks.
        """
        if isinstance(self.given, type):
            made: Function = self.given()
            return made
        if parallelism == 1:
            kept: Function = self.given
            return kept
        try:
            copied: Function = copy.deepcopy(self.given)
        except Exception as error:
            raise InvalidOperator(
                f"{self.label} cannot be copied for {parallelism} subtasks ({error}); "
                f"give the class instead of an instance, and make in open() what cannot be copied"
            ) from error
        return copied


def user_function(given: Any, *, owner: str, base: type[Function], method: str, arity: int = 1) -> UserFunction:
    """Check what the user gave as the function of `owner`.

    Args:
        given: a callable, a subclass of `base`, or an instance of one.
        owner: how errors call the operator, e.g. ``map``.
        base: the function class that the operator takes.
        method: the method of `base` that is called for each record.
        arity: with how many arguments a callable is called.

    Raises:
        InvalidOperator: it cannot be called that way; the message says what to write instead.
    """
    kind = given if isinstance(given, type) else type(given)
    if issubclass(kind, Function):
        if not issubclass(kind, base):
            raise InvalidOperator(
                f"{owner}: {kind.__name__} is not a {base.__name__}; derive it from sage.{base.__name__}"
            )
        if isinstance(given, type):
            _check_constructible(given, owner)
        target = getattr(kind, method)
        for name, taken in ((method, arity), ("open", 1), ("close", 0)):
            check_method(kind, name, owner, taken)
        return UserFunction(given, method, shape_of(target), kind.__name__)
    if not callable(given):
        raise InvalidOperator(
            f"{owner}: {shorten(given)} is a {type(given).__name__}, not a function; "
            f"write a function of {arity} argument{'s' if arity > 1 else ''} or a sage.{base.__name__}"
        )
    _check_arity(given, owner, arity)
    return UserFunction(given, None, shape_of(given), label_of(given))


def shape_of(function: Any) -> Shape:
    """How a callable gives its results, seen through partials and objects with ``__call__``."""
    while hasattr(function, "func") and hasattr(function, "keywords"):  # functools.partial
        function = function.func
    candidates = (
        [function] if inspect.isroutine(function) or isinstance(function, type) else [function, type(function).__call__]
    )
    for candidate in candidates:
        if inspect.isasyncgenfunction(candidate):
            return Shape.ASYNC_GENERATOR
        if inspect.iscoroutinefunction(candidate) or asyncio.iscoroutinefunction(candidate):
            return Shape.ASYNC
        if inspect.isgeneratorfunction(candidate):
            return Shape.GENERATOR
    return Shape.PLAIN


def label_of(function: Any) -> str:
    """A short name for a callable; empty for a lambda."""
    while hasattr(function, "func") and hasattr(function, "keywords"):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    return "" if name == "<lambda>" else str(name)


def _check_arity(function: Any, owner: str, arity: int) -> None:
    found = _misfit(function, arity)
    if found is not None:
        signature, error = found
        wanted = "one argument, the record" if arity == 1 else f"{arity} arguments"
        raise InvalidOperator(
            f"{owner}: {label_of(function) or 'the lambda'}{signature} cannot be called with {wanted}: {error}"
        )


def check_method(kind: type[Function], method: str, owner: str, arity: int) -> None:
    """Check that a method of a function class takes so many arguments besides `self`.

    Raises:
        InvalidOperator: it does not.
    """
    is_bound = isinstance(inspect.getattr_static(kind, method), staticmethod | classmethod)
    found = _misfit(getattr(kind, method), arity if is_bound else arity + 1)
    if found is not None:
        signature, error = found
        wanted = ("self alone", "self and one argument", "self and 2 arguments")[arity]
        raise InvalidOperator(f"{owner}: {kind.__name__}.{method}{signature} cannot be called with {wanted}: {error}")


def _misfit(function: Any, arity: int) -> tuple[inspect.Signature, TypeError] | None:
    """The signature of a function that cannot be called with so many arguments, and why not."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none; their first call will tell
        return None
    try:
        signature.bind(*[None] * arity)
    except TypeError as error:
        return signature, error
    return None


def _check_constructible(kind: type[Any], owner: str) -> None:
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise InvalidOperator(f"{owner}: {kind.__name__} does not define {missing}")
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise InvalidOperator(
            f"{owner}: {kind.__name__}() is made for each subtask without arguments, but {error}; "
            f"give an instance instead"
        ) from None


async def _settled(result: Any) -> None:
    if inspect.isawaitable(result):
        await result
