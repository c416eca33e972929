"""Where requests come in: from callers straight into the source's outlet."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sage.operators.calls import Call
from sage.operators.endpoint import Endpoint, Request
from sage.operators.errors import InvalidOperator
from sage.operators.source import Outlet, PushReader


class Inlet:
    """Where the runner takes requests."""

    def __init__(self) -> None:
        self.put: Callable[[Request], Any] | None = None
        self.log: list[str] = []

    def connect(self, put: Callable[[Request], Any]) -> None:
        self.put = put
        self.log.append("connect")

    def disconnect(self) -> None:
        self.put = None
        self.log.append("disconnect")


class Lent:
    def __init__(self) -> None:
        self.inlets: dict[str, Inlet] = {}

    def inlet(self, name: str) -> Inlet:
        return self.inlets.setdefault(name, Inlet())


async def opened() -> tuple[Any, PushReader[Any], Inlet]:
    context = Lent()
    logic = Endpoint[Any]("ask").build()
    reader = await logic.open(context)
    assert isinstance(reader, PushReader)
    return logic, reader, context.inlets["ask"]


async def test_requests_go_into_the_outlet_with_their_calls() -> None:
    logic, reader, inlet = await opened()
    outlet: Outlet[Any] = Outlet(10, 1.0, lambda: None)
    running = asyncio.ensure_future(reader.run(outlet))
    await asyncio.sleep(0)
    calls = [Call("one"), Call("two")]
    assert inlet.put is not None
    for value, call in enumerate(calls):
        inlet.put(Request(value, call))
    batch = logic.batch(outlet.take())
    assert (batch.values, batch.calls) == ([0, 1], calls)
    running.cancel()
    await asyncio.wait([running])
    await logic.close()
    assert inlet.put is None


async def test_it_takes_requests_before_its_first_step() -> None:
    logic, reader, inlet = await opened()
    running = asyncio.ensure_future(reader.run(Outlet(10, 1.0, lambda: None)))
    assert inlet.log == ["connect"]
    running.cancel()  # it never gets to it
    await asyncio.wait([running])
    await logic.close()
    assert inlet.put is None


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(InvalidOperator, match="write a name"):
        Endpoint[Any](name)


def test_fair_by_is_a_function() -> None:
    with pytest.raises(InvalidOperator, match=r"endpoint\('ask'\): fair_by='user': write a function"):
        Endpoint[Any]("ask", fair_by="user")  # type: ignore[arg-type]
    assert Endpoint[Any]("ask", fair_by=len).label == "ask"
