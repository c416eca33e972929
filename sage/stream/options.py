"""The options that operators share."""

import datetime
from typing import Any, TypedDict, Unpack

from sage.operators.numbers import seconds
from sage.operators.policies import ErrorPolicy

__all__ = ["CallOptions", "PolicyOption", "Unpack", "split_options"]


class CallOptions(TypedDict, total=False):
    """How an operator calls the user's function.

    Attributes:
        name: what the operator is called, unique in the program; made from the function's name if left out.
        parallelism: into how many subtasks it is split; 1 if left out.
        concurrency: how many calls of an async or blocking function run at a time, in each subtask; 32 if left out (1
            for sinks and `inspect`). A plain function runs inline, one record after the other.
        ordered: whether results keep the order of the records although calls end in another; True if left out.
        timeout: seconds, or a timedelta, that one call of an async function may take.
        blocking: run a plain function in threads, so that it may block.
        on_error: what is done when the function fails on a record: `Fail`, `Retry` or `DeadLetter`.
    """

    name: str | None
    parallelism: int
    concurrency: int | None
    ordered: bool
    timeout: float | datetime.timedelta | None
    blocking: bool
    on_error: ErrorPolicy


class PolicyOption(TypedDict, total=False):
    """What an aggregate does with a record that it cannot take in.

    Attributes:
        on_error: `Fail` if left out, `Retry` or `DeadLetter`; the result stays as it was before the record.
    """

    on_error: ErrorPolicy


def split_options(options: CallOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """What concerns the operator's place in the graph, and what concerns the calls."""
    calling: dict[str, Any] = dict(options)
    placed = {"name": calling.pop("name", None), "parallelism": calling.pop("parallelism", 1)}
    if "timeout" in calling:
        calling["timeout"] = seconds(calling["timeout"])
    return placed, calling
