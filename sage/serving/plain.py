"""A program as a server of JSON."""

from collections.abc import Iterable
from datetime import timedelta

from sage.admission import Admission
from sage.errors import GraphError
from sage.serving.auth import Auth
from sage.serving.exchange import Limits
from sage.serving.front import Front, ServingApp
from sage.serving.host import Program
from sage.serving.installed import needed
from sage.serving.meters import MetricsNames
from sage.serving.rates import Rate

__all__ = ["app"]


def app(
    env: Program,
    *,
    endpoints: Iterable[str] | None = None,
    admission: Admission | None = None,
    auth: Auth | None = None,
    rate: Rate | None = None,
    timeout: float | timedelta | None = None,
    max_priority: int = 0,
    origins: Iterable[str] = (),
    metrics_names: MetricsNames = "sage",
    limits: Limits | None = None,
) -> ServingApp:
    """Make an ASGI app that serves the endpoints of a program.

    ==================  ==================================================================================
    ``POST /NAME``      the body is the request, in JSON; each record of the answer is a line of JSON, or, with
                        ``Accept: text/event-stream``, an event
    ``/ws/NAME``        a WebSocket: each message is a request; the answer is ``{"record": ...}`` for each record,
                        then ``{"end": true}``, or ``{"error": {...}}``
    ``GET /health``     whether the program runs; also ``/ready`` and ``/metrics``
    ==================  ==================================================================================

    An answer that breaks off ends in a line ``{"error": {...}}``, or in an event ``error``.

    Args:
        env: the program. Its job is started and closed with the server.
        endpoints: those that are served; all if left out.
        admission: bounds what is inside, decided before there is any work.
        auth: who may ask, as in `openai_app`.
        rate: how many requests each tenant may have in a minute.
        timeout: seconds, or a timedelta, that a request may take, waiting included; a client may ask for less.
        max_priority: the highest priority that a client may ask for.
        origins: the web pages, beside the server's own, that may ask from a browser, or open a WebSocket:
            ``"https://example.org"``, or ``"*"`` for all.
        metrics_names: as in `openai_app`.
        limits: what one connection may cost.

    Raises:
        GraphError: a value cannot be.
        NotAvailable: the extra ``serve`` is not installed.
    """
    for module in ("msgspec", "prometheus_client"):
        needed(module)
    # Made of classes that need the extra, and so loaded only now.
    from sage.serving.records import Records
    from sage.serving.websocket import WebSockets

    if isinstance(endpoints, str):
        raise GraphError("sage.serving.app: endpoints= is a list of names; write endpoints=['ask']")
    served = None if endpoints is None else set(endpoints)
    front = Front(
        env,
        served,
        admission=admission,
        auth=auth,
        rate=rate,
        timeout=timeout,
        max_priority=max_priority,
        metrics_names=metrics_names,
        limits=limits,
        origins=origins,
    )
    records = Records(front, served)
    return ServingApp(front, records.handlers(), WebSockets(front, records))
