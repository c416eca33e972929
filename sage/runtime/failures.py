"""How an error inside a job is told: with the operator and the subtask that it came from."""

from collections.abc import Iterator
from contextlib import contextmanager

from sage.errors import GraphError, JobFailed
from sage.graph import Subtask
from sage.operators.errors import OperatorError

__all__ = ["blaming", "failure_of"]


def failure_of(job: str, subtask: Subtask, error: BaseException) -> JobFailed:
    """The failure of a job that an error in one of its subtasks is."""
    node = subtask.node
    return JobFailed(job=job, operator=node.name, subtask=subtask.index, parallelism=node.parallelism, error=error)


@contextmanager
def blaming(job: str, subtask: Subtask) -> Iterator[None]:
    """What is refused, or fails, while the logic of a subtask is made names its operator.

    Raises:
        GraphError: the operator refuses it, e.g. a source that was read by an earlier run.
        JobFailed: the user's own code failed (the `__init__` of a function class, say).
    """
    try:
        yield
    except OperatorError as error:
        raise GraphError(f"program {job!r}, operator {subtask.node.name!r}: {error}") from error
    except Exception as error:
        raise failure_of(job, subtask, error) from error
