"""Sinks for `Stream.sink`; for functions there is `sink` itself, for lists `collect`, for the terminal `print`."""

from typing import TypeVar

from sage.operators.file_sink import WriteLines
from sage.operators.list_sink import Collect
from sage.operators.print_sink import Print as stdout
from sage.refusal import Refusing

__all__ = ["file", "stdout", "to"]

T = TypeVar("T")


class file(Refusing, WriteLines):
    __doc__ = WriteLines.__doc__


class to(Refusing, Collect[T]):
    __doc__ = Collect.__doc__
