"""Sources for `Environment.from_source`; for containers, generators and functions there is `from_iterable`."""

from sage.operators.files import Glob as glob, Lines as lines
from sage.operators.ticker import Ticker as ticker

__all__ = ["glob", "lines", "ticker"]
