"""sage: streaming dataflow on asyncio.

::

    import sage

    env = sage.Environment("hello")
    env.from_iterable(range(10)).map(lambda x: x + 1).filter(lambda x: x % 2 == 0).sink(print)
    sage.run(env)

The house: `transports` and `operators` are islands that know nothing of each other. `graph` says what a program is,
`runtime` joins operators by channels, `jobs` holds what runs, `stream` and `environment` are what programs are written
with. Imports point down only. `import sage` loads what programs are written with; submodules are loaded when they are
first used, operators when a program is given one, and the runtime when one is run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage.environment import Environment, LocalEnvironment, run
from sage.errors import (
    CircuitOpen,
    DeadlineExceeded,
    GraphError,
    InvalidOperator,
    JobCancelled,
    JobError,
    JobFailed,
    JobNotRunning,
    NoReply,
    NotAvailable,
    NotReplayable,
    OperatorError,
    Overloaded,
    RecordFailed,
    SageError,
    ServiceError,
    ServiceUnavailable,
    TransportError,
    UnknownEndpoint,
    UnknownMethod,
    UnknownService,
)
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
from sage.operators.policies import DeadLetter, Fail, Letter
from sage.policies import Retry
from sage.stream import KeyedStream, Stream
from sage.version import __version__

if TYPE_CHECKING:
    from sage import middleware, operators, serving, sinks, sources, testing, transports
    from sage.admission import Admission
    from sage.jobs import Job, JobResult
    from sage.runtime import current_context as context
    from sage.services import Breaker, ByKey, Restart, Service, batched, deadline, service
    from sage.services.connecting import connect

__all__ = [
    "Admission",
    "Breaker",
    "ByKey",
    "CircuitOpen",
    "CoMapFunction",
    "DeadLetter",
    "DeadlineExceeded",
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
    "NoReply",
    "NotAvailable",
    "NotReplayable",
    "OperatorError",
    "Overloaded",
    "ProcessFunction",
    "RecordFailed",
    "Restart",
    "Retry",
    "SageError",
    "Service",
    "ServiceError",
    "ServiceUnavailable",
    "SinkFunction",
    "SourceFunction",
    "Stream",
    "TransportError",
    "UnknownEndpoint",
    "UnknownMethod",
    "UnknownService",
    "__version__",
    "batched",
    "connect",
    "context",
    "deadline",
    "middleware",
    "operators",
    "run",
    "service",
    "serving",
    "sinks",
    "sources",
    "testing",
    "transports",
]

_LAZY = {
    "Admission": "sage.admission:Admission",
    "Breaker": "sage.services:Breaker",
    "ByKey": "sage.services:ByKey",
    "Job": "sage.jobs:Job",
    "JobResult": "sage.jobs:JobResult",
    "Restart": "sage.services:Restart",
    "Service": "sage.services.service:Service",
    "batched": "sage.services:batched",
    "connect": "sage.services.connecting:connect",
    "context": "sage.runtime:current_context",
    "deadline": "sage.services:deadline",
    "middleware": "sage.middleware",
    "operators": "sage.operators",
    "service": "sage.services:service",
    "serving": "sage.serving",
    "sinks": "sage.sinks",
    "sources": "sage.sources",
    "testing": "sage.testing",
    "transports": "sage.transports",
}

if not TYPE_CHECKING:  # with it, checkers would take every misspelt name for `Any`

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'sage' has no attribute {name!r}")
        module, _, attribute = _LAZY[name].partition(":")
        value = import_module(module)
        if attribute:
            value = globals()[name] = getattr(value, attribute)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
