"""Sources for `Environment.from_source`; for containers, generators and functions there is `from_iterable`."""

from datetime import timedelta

from sage.operators.files import Glob, Lines
from sage.operators.numbers import seconds
from sage.operators.ticker import Ticker
from sage.refusal import Refusing

__all__ = ["glob", "lines", "ticker"]


class glob(Refusing, Glob):
    __doc__ = Glob.__doc__


class lines(Refusing, Lines):
    __doc__ = Lines.__doc__


class ticker(Refusing, Ticker):
    __doc__ = Ticker.__doc__

    def __init__(self, interval: float | timedelta, count: int | None = None) -> None:
        super().__init__(seconds(interval), count)
