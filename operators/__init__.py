"""What operators do, against a small `Context`: knows nothing of channels, processes or streams. Useful alone.

Read `contract` first, then `each` (a function for each record) and `pool` (async ones).

The descriptions of operators, sources and sinks are loaded when they are first used, so that a program loads what it
consists of.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage.operators.contract import Context, Emission, Emissions, Emit, Logic, Operator, Tagged, TimerHandle, Wait
from sage.operators.elements import Barrier, Batch, Element, EndOfStream, Watermark
from sage.operators.errors import InvalidOperator, NotReplayable, OperatorError, RecordFailed
from sage.operators.functions import (
    CoMapFunction,
    FilterFunction,
    FlatMapFunction,
    Function,
    FunctionContext,
    MapFunction,
    ProcessFunction,
    SinkFunction,
    SourceFunction,
)
from sage.operators.policies import DeadLetter, ErrorPolicy, Fail, Letter, Retry
from sage.operators.source import Outlet, PullReader, PushReader, Source, SourceLogic

if TYPE_CHECKING:
    from sage.operators.aggregate import Count, Fold, Max, Min, Reduce, Sum
    from sage.operators.calls import Call
    from sage.operators.connect import CoMap
    from sage.operators.endpoint import Endpoint, Inlet, Request
    from sage.operators.file_sink import WriteLines
    from sage.operators.files import Glob, Lines
    from sage.operators.flat_map import FlatMap
    from sage.operators.iterables import FromFunction, FromIterable
    from sage.operators.key_by import KeyBy
    from sage.operators.limit import Distinct, Skip, Take, Throttle
    from sage.operators.list_sink import Collect
    from sage.operators.map import Filter, Inspect, Map
    from sage.operators.map_batch import MapBatch
    from sage.operators.micro_batch import Gather
    from sage.operators.print_sink import Print
    from sage.operators.process import Process
    from sage.operators.process_context import ProcessContext, Timers
    from sage.operators.reply import Reply
    from sage.operators.route import Route
    from sage.operators.sink import Sink
    from sage.operators.ticker import Ticker

__all__ = [
    "Barrier",
    "Batch",
    "Call",
    "CoMap",
    "CoMapFunction",
    "Collect",
    "Context",
    "Count",
    "DeadLetter",
    "Distinct",
    "Element",
    "Emission",
    "Emissions",
    "Emit",
    "EndOfStream",
    "Endpoint",
    "ErrorPolicy",
    "Fail",
    "Filter",
    "FilterFunction",
    "FlatMap",
    "FlatMapFunction",
    "Fold",
    "FromFunction",
    "FromIterable",
    "Function",
    "FunctionContext",
    "Gather",
    "Glob",
    "Inlet",
    "Inspect",
    "InvalidOperator",
    "KeyBy",
    "Letter",
    "Lines",
    "Logic",
    "Map",
    "MapBatch",
    "MapFunction",
    "Max",
    "Min",
    "NotReplayable",
    "Operator",
    "OperatorError",
    "Outlet",
    "Print",
    "Process",
    "ProcessContext",
    "ProcessFunction",
    "PullReader",
    "PushReader",
    "RecordFailed",
    "Reduce",
    "Reply",
    "Request",
    "Retry",
    "Route",
    "Sink",
    "SinkFunction",
    "Skip",
    "Source",
    "SourceFunction",
    "SourceLogic",
    "Sum",
    "Tagged",
    "Take",
    "Throttle",
    "Ticker",
    "TimerHandle",
    "Timers",
    "Wait",
    "Watermark",
    "WriteLines",
]

_LAZY = {
    "Call": "calls",
    "CoMap": "connect",
    "Collect": "list_sink",
    "Count": "aggregate",
    "Distinct": "limit",
    "Endpoint": "endpoint",
    "Filter": "map",
    "FlatMap": "flat_map",
    "Fold": "aggregate",
    "FromFunction": "iterables",
    "FromIterable": "iterables",
    "Gather": "micro_batch",
    "Glob": "files",
    "Inlet": "endpoint",
    "Inspect": "map",
    "KeyBy": "key_by",
    "Lines": "files",
    "Map": "map",
    "MapBatch": "map_batch",
    "Max": "aggregate",
    "Min": "aggregate",
    "Print": "print_sink",
    "Process": "process",
    "ProcessContext": "process_context",
    "Reduce": "aggregate",
    "Reply": "reply",
    "Request": "endpoint",
    "Route": "route",
    "Sink": "sink",
    "Skip": "limit",
    "Sum": "aggregate",
    "Take": "limit",
    "Throttle": "limit",
    "Ticker": "ticker",
    "Timers": "process_context",
    "WriteLines": "file_sink",
}

if not TYPE_CHECKING:  # with it, checkers would take every misspelt name for `Any`

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'sage.operators' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"sage.operators.{_LAZY[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
