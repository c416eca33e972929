"""What can go wrong with what a step is given."""

from sage.operators.errors import OperatorError

__all__ = ["InvalidInput"]


class InvalidInput(OperatorError, ValueError):
    """What a step was given is not what it takes. The step itself is fine, and so are others' requests."""
