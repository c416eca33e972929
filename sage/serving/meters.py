"""What is counted while requests are served, for Prometheus.

Counted is per request and per write, never per token. What operators do is read from the job when somebody looks.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from sage.errors import Overloaded
from sage.serving.installed import needed

__all__ = ["MetricsNames", "Meters", "RequestMeter"]

MetricsNames = Literal["sage", "vllm"]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Meters:
    """All metrics of one server.

    Args:
        names: ``"vllm"`` to offer the most important also under the names that vLLM uses.
        snapshots: gives metrics that are made when somebody looks.
    """

    def __init__(self, names: MetricsNames, snapshots: Callable[[], Iterable[Any]]) -> None:
        client = needed("prometheus_client")
        self._client = client
        self.registry = client.CollectorRegistry()
        counter, histogram = self._maker(client.Counter), self._maker(client.Histogram)
        self.requests = counter("sage_requests_total", "Requests that were answered.", ("route", "model", "status"))
        self.refused = counter("sage_request_rejected_total", "Requests refused, by the bound that did it.", ("knob",))
        self.cancelled = counter("sage_request_cancelled_total", "Requests whose client left, by where.", ("where",))
        self.late = counter(
            "sage_request_deadline_exceeded_total", "Requests past their deadline, by where.", ("stage",)
        )
        self.prompt_tokens = counter("sage_prompt_tokens_total", "Tokens of requests.", ("model",))
        self.tokens = counter("sage_generation_tokens_total", "Tokens of answers.", ("model",))
        self.queue_time = histogram("sage_request_queue_seconds", "Time until let in.", ("model",), buckets=_FAST)
        self.first_token = histogram("sage_ttft_seconds", "Time to the first token.", ("model",), buckets=_FAST)
        self.between = histogram(
            "sage_itl_seconds", "Time between tokens: of each write, shared by its tokens.", ("model",), buckets=_FAST
        )
        self.duration = histogram("sage_request_seconds", "Time to the whole answer.", ("model",), buckets=_LONG)
        self.registry.register(_Snapshots(snapshots))
        if names == "vllm":
            aliased = {
                "vllm:prompt_tokens": self.prompt_tokens,
                "vllm:generation_tokens": self.tokens,
                "vllm:time_to_first_token_seconds": self.first_token,
                "vllm:inter_token_latency_seconds": self.between,
                "vllm:request_queue_time_seconds": self.queue_time,
                "vllm:e2e_request_latency_seconds": self.duration,
            }
            self.registry.register(_Snapshots(lambda: _renamed(aliased)))

    def text(self) -> bytes:
        """All of it, in the format of Prometheus."""
        text: bytes = self._client.generate_latest(self.registry)
        return text

    def request(self, route: str, model: str) -> "RequestMeter":
        """What counts for one request."""
        return RequestMeter(self, route, model)

    def refusal(self, error: Exception) -> None:
        """Count a request that was refused by a bound, be it the server's, the program's or a service's."""
        if isinstance(error, Overloaded):
            self.refused.labels(error.limit or "overloaded").inc()

    def _maker(self, kind: Any) -> Any:
        def make(name: str, told: str, labels: tuple[str, ...], **options: Any) -> Any:
            return kind(name, told, labels, registry=self.registry, **options)

        return make


class RequestMeter:
    """Counts for one request.

    Args:
        meters: where.
        route: the path.
        model: the model's id.
    """

    def __init__(self, meters: Meters, route: str, model: str) -> None:
        self.stage = "queued"
        self._meters = meters
        self._route = route
        self._model = model
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._last: float | None = None
        self._between = meters.between.labels(model)

    def admitted(self, stage: str = "before_first_token") -> None:
        """It was let in, the first of its answers at least; what comes next is `stage`."""
        if self.stage == "queued":
            self.stage = stage
            self._meters.queue_time.labels(self._model).observe(self._clock() - self._began)

    def arrived(self, pieces: int) -> None:
        """Some pieces of the answer came together."""
        now = self._clock()
        if self._last is None:
            self._meters.first_token.labels(self._model).observe(now - self._began)
        elif pieces:
            self._between.observe((now - self._last) / pieces)
        self._last = now

    def used(self, usage: dict[str, int]) -> None:
        """What it used, at the end."""
        self._meters.prompt_tokens.labels(self._model).inc(usage["prompt_tokens"])
        self._meters.tokens.labels(self._model).inc(usage.get("completion_tokens", 0))

    def ended(self, status: int) -> None:
        """It was answered, with that status."""
        self._meters.requests.labels(self._route, self._model, str(status)).inc()
        self._meters.duration.labels(self._model).observe(self._clock() - self._began)
        if status == 504:
            self._meters.late.labels(self.stage).inc()

    def left(self) -> None:
        """The client went away."""
        self._meters.cancelled.labels(self.stage).inc()


class _Snapshots:
    """What is registered so that it is asked when somebody looks."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make

    def collect(self) -> Iterator[Any]:
        """As Prometheus wants it."""
        yield from self._make()

    def describe(self) -> list[Any]:
        """Nothing, so that it is not asked before there is a job."""
        return []


def _renamed(aliased: dict[str, Any]) -> Iterator[Any]:
    """The same metrics under other names, with the label that goes with these."""
    for name, metric in aliased.items():
        for family in metric.collect():
            old, family.name = family.name, name
            family.samples = [
                sample._replace(
                    name=name + sample.name.removeprefix(old),
                    labels={
                        ("model_name" if label == "model" else label): value for label, value in sample.labels.items()
                    },
                )
                for sample in family.samples
            ]
            yield family
