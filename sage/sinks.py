"""Sinks for `Stream.sink`; for functions there is `Stream.sink` itself, for lists `Stream.collect`, for the terminal `Stream.print`."""

from sage.operators.file_sink import WriteLines as file
from sage.operators.list_sink import Collect as to
from sage.operators.print_sink import Print as stdout

__all__ = ["file", "stdout", "to"]
