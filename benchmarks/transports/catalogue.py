"""The benchmarks of transports, by name."""

from collections.abc import Callable
from functools import partial

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.transports import one_way, there_and_back
from benchmarks.transports.one_process import memory
from benchmarks.transports.over_ray import ray
from benchmarks.transports.stage import Stage

__all__ = ["BETWEEN_PROCESSES", "TRANSPORTS"]

#: Those that two processes play, without anything else that has to run.
BETWEEN_PROCESSES: dict[str, Callable[[Plan, Stage], Outcome]] = {
    "transports.lists": one_way.lists,
    "transports.records": one_way.records,
    "transports.kilobytes": one_way.kilobytes,
    "transports.arrays": one_way.arrays,
    "transports.curve": one_way.curve,
    "transports.call": there_and_back.call,
    "transports.calls": there_and_back.calls,
    "transports.stream": there_and_back.stream,
    "transports.queues": there_and_back.queues,
}


def _on_a_stage(compare: Callable[[Plan, Stage], Outcome], plan: Plan) -> list[Outcome]:
    with Stage() as stage:
        return [compare(plan, stage)]


#: All of them.
TRANSPORTS: dict[str, Callable[[Plan], list[Outcome]]] = {
    **{name: partial(_on_a_stage, compare) for name, compare in BETWEEN_PROCESSES.items()},
    "transports.memory": memory,
    "transports.ray": ray,
}
