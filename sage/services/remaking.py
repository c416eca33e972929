"""Errors made again, as what they were: their class, arguments and attributes, without running its `__init__` twice.

By default an exception is copied and unpickled by calling its class with `args`, which are what `Exception.__init__`
was given. A class whose own `__init__` takes something else cannot be made again so, or comes out wrong.
"""

import io
from collections.abc import Callable
from types import WrapperDescriptorType
from typing import Any, TypeVar

import cloudpickle

__all__ = ["own_copy", "pickled"]

E = TypeVar("E", bound=BaseException)


def own_copy(error: E) -> E:
    """An equal error with notes of its own; `error` itself if its class does not allow that."""
    try:
        # Not `copy.copy`, which asks a registry first, where some libraries put something else.
        how: Any = _reduced(error) if _by_arguments(error) else error.__reduce__()
        made: E = how[0](*how[1])
    except Exception:  # a class of the user's may refuse in any way
        return error
    if type(made) is not type(error):
        return error
    made.__dict__.update(vars(error))
    if hasattr(error, "__notes__"):
        made.__notes__ = list(error.__notes__)
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = error.__suppress_context__
    return made.with_traceback(error.__traceback__)


def pickled(error: BaseException) -> bytes:
    """The error for another process of this program, with those that it holds.

    Raises:
        Exception: it holds something that belongs to this process.
    """
    with io.BytesIO() as file:
        _Pickler(file).dump(error)
        return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, BaseException) and _by_arguments(obj):
            return _reduced(obj)
        return super().reducer_override(obj)


def _by_arguments(error: BaseException) -> bool:
    """Whether its class leaves it to `BaseException` how it is made again."""
    cls = type(error)
    return cls.__reduce__ is BaseException.__reduce__ and cls.__reduce_ex__ is object.__reduce_ex__


def _reduced(error: E) -> tuple[Callable[..., E], tuple[Any, ...], dict[str, Any]]:
    return _again, (type(error), error.args), vars(error)


def _again(cls: type[E], args: tuple[Any, ...]) -> E:
    made = cls.__new__(cls, *args)
    for base in cls.__mro__:  # the interpreter's own part of it, such as the fields of a UnicodeError
        if issubclass(base, BaseException) and isinstance(base.__init__, WrapperDescriptorType):
            base.__init__(made, *args)
            break
    return made
