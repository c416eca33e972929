"""JSON in, records of JSON out."""

from typing import Any

from sage.kernel import Answer
from sage.serving.bodies import parse_json
from sage.serving.errors import RequestError
from sage.serving.exchange import EVENTS, LINES, Exchange, Framing
from sage.serving.front import Front, encode
from sage.serving.meters import RequestMeter
from sage.serving.router import Handler
from sage.serving.streamed import Streamed
from sage.serving.terms import Terms

__all__ = ["Records"]


class Records:
    """Answers requests.

    Args:
        front: the job, and who may come in.
        served: the endpoints that are served; `None` for all.
    """

    def __init__(self, front: Front, served: set[str] | None) -> None:
        self._front = front
        self._served = served

    def handlers(self) -> dict[str, Handler]:
        """What answers which path."""
        return {"POST /*": self._post}

    def endpoint(self, name: str) -> str:
        """An endpoint, if it is served.

        Raises:
            RequestError: it is not (404), or no requests are taken (503).
        """
        there = self._front.host.job.endpoints
        if name not in there or not (self._served is None or name in self._served):
            raise RequestError(f"there is no endpoint {name!r}", status=404, code="unknown_endpoint")
        return name

    def ask(self, endpoint: str, value: Any, key: Any, terms: Terms, request_id: str) -> Answer:
        """Ask the job."""
        return self._front.host.job.stream(
            endpoint, value, deadline=terms.left(), priority=terms.priority, key=key, trace=request_id
        )

    async def _post(self, exchange: Exchange, rest: str) -> None:
        key, terms = await self._front.desk.received(exchange.headers)
        endpoint = self.endpoint(rest)
        value = parse_json(exchange.content, exchange.headers.get("content-type", "application/json"))
        framing = EVENTS if "text/event-stream" in exchange.headers.get("accept", "") else LINES

        async def work(meter: RequestMeter) -> None:
            async with self._front.desk.let_in(key, terms, 0):
                answer = self.ask(endpoint, value, key, terms, exchange.id)
                try:
                    async with Streamed(exchange, framing, meter) as streamed:
                        await answer.admitted()
                        streamed.admitted()
                        await _write(streamed, answer, framing, meter)
                finally:
                    await answer.aclose()

        await self._front.metered(exchange, endpoint, work)


async def _write(streamed: Streamed, answer: Answer, framing: Framing, meter: RequestMeter) -> None:
    """Write the records of an answer while they come in; what is ready goes into one write."""
    async for record in answer:
        records = [record, *answer.ready()]
        data = b"".join([framing.before + encode(each) + framing.after for each in records])
        meter.arrived(len(records))
        await streamed.write(data)
    await streamed.end()
