"""sage: streaming dataflow on asyncio.

::

    import sage

    env = sage.Environment("hello")
    env.from_iterable(range(10)).map(lambda x: x + 1).filter(lambda x: x % 2 == 0).sink(print)
    sage.run(env)

The house: `transports` and `operators` are islands that know nothing of each other. `graph` says what a program is, `runtime` joins
operators by channels, `jobs` holds what runs, `stream` and `environment` are what programs are written with. Imports
point down only. Submodules are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage.environment import Environment, LocalEnvironment, run
from sage.errors import (
    GraphError,
    InvalidOperator,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotRunning,
    NotAvailable,
    NotReplayable,
    OperatorError,
    RecordFailed,
    SageError,
    TransportError,
)
from sage.jobs import Job, JobResult
from sage.operators.functions import (
    CoMapFunction,
    FilterFunction,
    FlatMapFunction,
    Function,
    MapFunction,
    ProcessFunction,
    SinkFunction,
    SourceFunction,
)
from sage.operators.policies import DeadLetter, Fail, Letter, Retry
from sage.runtime import current_context as context
from sage.stream import KeyedStream, Stream

if TYPE_CHECKING:
    from sage import operators, sinks, sources, testing, transports

__version__ = "0.1.0"

__all__ = [
    "CoMapFunction",
    "DeadLetter",
    "Environment",
    "Fail",
    "FilterFunction",
    "FlatMapFunction",
    "Function",
    "GraphError",
    "InvalidOperator",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotRunning",
    "JobResult",
    "KeyedStream",
    "Letter",
    "LocalEnvironment",
    "MapFunction",
    "NotAvailable",
    "NotReplayable",
    "OperatorError",
    "ProcessFunction",
    "RecordFailed",
    "Retry",
    "SageError",
    "SinkFunction",
    "SourceFunction",
    "Stream",
    "TransportError",
    "context",
    "operators",
    "run",
    "sinks",
    "sources",
    "testing",
    "transports",
]

_LAZY = {"operators", "sinks", "sources", "testing", "transports"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"sage.{name}")
    raise AttributeError(f"module 'sage' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
