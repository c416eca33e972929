"""What is read off a run, and how it is shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from benchmarks.measure import percentile
from benchmarks.outcome import Column, Row
from benchmarks.transports.stage import Played, Way

__all__ = ["CALLS", "LATENCY", "SPEED", "STREAM", "Measure"]


@dataclass(frozen=True)
class Measure:
    """What is read off a run.

    Args:
        read: the figures of one run.
        key: the one that ways are compared by.
        ratio: what their ratio is called.
        columns: how all of it is shown.
        axis: what a picture of it shows, with the unit.
    """

    read: Callable[[Way, Played], Mapping[str, float]]
    key: str
    ratio: str
    columns: Sequence[Column]
    axis: str

    def compared(self, against: str, ratios: Sequence[float]) -> Row:
        """What the pairs with another way come to."""
        middle, least, most = median(ratios), min(ratios), max(ratios)
        return {"against": against, self.ratio: middle, f"{self.ratio}_least": least, f"{self.ratio}_most": most}


def _speed(way: Way, played: Played) -> dict[str, float]:
    found = {**played.far, **played.near}
    seconds = found["ended"] - found["began"]
    cpu = {f"{key}_us": value * 1e6 / way.amount for key, value in found.items() if key.endswith("_cpu")}
    return {"per_second": way.amount / seconds, **cpu}


def _latency(way: Way, played: Played) -> dict[str, float]:
    took = [seconds * 1e6 for seconds in played.near["took"]]
    return {"p50_us": percentile(took, 50), "p99_us": percentile(took, 99)}


def _compared(ratio: str, header: str) -> tuple[Column, ...]:
    return (
        Column("against", "against"),
        Column(ratio, header, ".2f"),
        Column(f"{ratio}_least", "least", ".2f"),
        Column(f"{ratio}_most", "most", ".2f"),
    )


#: How many records a second get through.
SPEED: Final = Measure(
    _speed,
    "per_second",
    "speed",
    (
        Column("way", "way"),
        Column("per_second", "records/s", ",.0f"),
        *_compared("speed", "speed"),
        Column("put_cpu_us", "put CPU µs", ".2f"),
        Column("get_cpu_us", "get CPU µs", ".2f"),
    ),
    "records/s",
)

#: How many calls a second are answered.
CALLS: Final = Measure(
    _speed,
    "per_second",
    "speed",
    (
        Column("way", "way"),
        Column("per_second", "calls/s", ",.0f"),
        *_compared("speed", "speed"),
        Column("call_cpu_us", "caller's CPU µs", ".2f"),
        Column("serve_cpu_us", "server's CPU µs", ".2f"),
    ),
    "calls/s",
)

#: How many items a second of an answer are read.
STREAM: Final = replace(
    CALLS,
    columns=(
        Column("way", "way"),
        Column("per_second", "items/s", ",.0f"),
        *_compared("speed", "speed"),
        Column("call_cpu_us", "reader's CPU µs", ".2f"),
        Column("serve_cpu_us", "server's CPU µs", ".2f"),
    ),
    axis="items/s",
)

#: How long one waits for an answer.
LATENCY: Final = Measure(
    _latency,
    "p50_us",
    "times",
    (
        Column("way", "way"),
        Column("p50_us", "p50 µs", ",.1f"),
        Column("p99_us", "p99 µs", ",.1f"),
        *_compared("times", "p50 ×"),
    ),
    "median, µs",
)
