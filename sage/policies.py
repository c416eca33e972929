"""What is done when a function fails on a record, as users write it: ``on_error=sage.Retry(...)``."""

from sage.operators.policies import Retry as _Retry
from sage.refusal import Refusing

__all__ = ["Retry"]


class Retry(Refusing, _Retry):
    __doc__ = _Retry.__doc__
