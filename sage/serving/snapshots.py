"""What a job and a door show of themselves, as metrics of Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Any

from sage.admission import Door
from sage.kernel import OperatorStatistics
from sage.serving.installed import needed
from sage.serving.meters import MetricsNames

__all__ = ["door_metrics", "job_metrics"]

#: Of each field of `OperatorStatistics` the metric, whether it only ever grows, and what it tells.
_OF_OPERATORS = {
    "records_in": ("sage_operator_records_in_total", True, "Records taken from the input channels."),
    "records_out": ("sage_operator_records_out_total", True, "Records emitted."),
    "dropped": ("sage_operator_dropped_total", True, "Records for outputs that nobody reads."),
    "busy": ("sage_operator_busy_seconds_total", True, "Seconds of work."),
    "idle": ("sage_operator_idle_seconds_total", True, "Seconds waiting for input."),
    "blocked": ("sage_operator_blocked_seconds_total", True, "Seconds waiting for room downstream."),
    "queued": ("sage_channel_depth", False, "Records queued in the input channels."),
    "capacity": ("sage_channel_capacity", False, "How many records the input channels hold."),
    "parallelism": ("sage_operator_parallelism", False, "How many subtasks there are."),
}


def job_metrics(statistics: Mapping[str, OperatorStatistics], open_calls: int) -> Iterator[Any]:
    """What the operators of a job have done.

    Args:
        statistics: of each operator.
        open_calls: how many requests are inside.
    """
    core = needed("prometheus_client.core")
    for field, (name, grows, told) in _OF_OPERATORS.items():
        kind = core.CounterMetricFamily if grows else core.GaugeMetricFamily
        family = kind(name, told, labels=["operator"])
        for operator, numbers in statistics.items():
            family.add_metric([operator], getattr(numbers, field))
        yield family
    yield core.GaugeMetricFamily("sage_request_active", "Requests that are inside the job.", value=open_calls)


def door_metrics(door: Door | None, running: int, names: MetricsNames) -> Iterator[Any]:
    """How many requests are served and how many wait.

    Args:
        door: where they wait; `None` if there is none.
        running: how many are under way where there is no door.
        names: as in `Meters`.
    """
    core = needed("prometheus_client.core")
    queued = 0 if door is None else door.queued
    running -= queued
    yield core.GaugeMetricFamily("sage_request_running", "Requests that are being served.", value=running)
    yield core.GaugeMetricFamily("sage_request_queued", "Requests that wait to be let in.", value=queued)
    if door is not None:
        yield core.GaugeMetricFamily("sage_request_tokens", "Tokens that open requests reserved.", value=door.tokens)
    if names == "vllm":
        yield core.GaugeMetricFamily("vllm:num_requests_running", "Requests that are being served.", value=running)
        yield core.GaugeMetricFamily("vllm:num_requests_waiting", "Requests that wait to be let in.", value=queued)
