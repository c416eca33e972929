"""What callers see of replicas that die and come back."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any

import pytest

import sage
from sage.services.definition import ServiceDefinition
from sage.services.process import ProcessReplica
from sage.services.replica import NotBegun, Replica
from sage.services.running import RunningService
from sage.services.service import MethodKind


class Mortal(sage.Service):
    """Tells which process it lives in."""

    async def pid(self) -> int:
        return os.getpid()

    async def hang(self) -> None:
        await asyncio.Event().wait()


def wait_until_dead(pid: int) -> None:
    with suppress(ChildProcessError):  # whoever waits for it elsewhere may be first
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


async def test_calls_wait_also_before_the_death_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed, died = asyncio.Event(), ProcessReplica.died

    async def died_later(replica: ProcessReplica) -> str:
        await noticed.wait()
        return await died(replica)

    monkeypatch.setattr(ProcessReplica, "died", died_later)
    env = sage.Environment("mortal")
    env.register_service("mortal", Mortal, place="zmq", restart=sage.Restart(delay=0, wait=True))
    async with env.services() as services:
        first = await services["mortal"].pid()
        under_way = asyncio.create_task(services["mortal"].hang())
        await services["mortal"].pid()  # behind it
        os.kill(first, signal.SIGKILL)
        await asyncio.to_thread(wait_until_dead, first)
        with pytest.raises(sage.ServiceUnavailable, match="its process went away"):
            await under_way
        waiting = asyncio.create_task(services["mortal"].pid())
        await asyncio.sleep(0)
        noticed.set()
        assert await waiting != first


class Stub(Replica):
    """Answers with its index; while it is `gone`, nothing reaches it, and the service learns so when that is tried."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.methods = {"ask": MethodKind.UNARY, "items": MethodKind.STREAM}
        self.gone: asyncio.Event | None = None
        self.noticed = True
        self.service: RunningService

    async def call(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._reach()
        return self.index

    async def stream(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        self._reach()
        yield self.index

    def _reach(self) -> None:
        if self.gone is not None:
            if self.noticed:
                self.service.went(self, "it is gone", final=False)
                self.gone.set()
            raise NotBegun("nobody answers")

    def back(self) -> None:
        self.gone = None
        self.service.came(self)

    async def start(self) -> None:
        raise AssertionError("it is not started here")

    async def stop(self) -> None:
        raise AssertionError("it is not stopped here")

    async def died(self) -> str:
        raise AssertionError("nobody waits for that here")

    async def health(self) -> Mapping[str, Any]:
        raise AssertionError("nobody asks here")


def running(replicas: int, **options: Any) -> tuple[RunningService, list[Stub]]:
    stubs = [Stub(index) for index in range(replicas)]
    service = RunningService(ServiceDefinition("stub", sage.Service, place="zmq", **options), [*stubs])
    for stub in stubs:
        stub.service = service
        service.came(stub)
    return service, stubs


async def ask(service: RunningService, method: str) -> Any:
    if method == "ask":
        return await service.call("ask", (), {})
    (item,) = [item async for item in service.stream("items", (), {})]
    return item


METHODS = ["ask", "items"]


@pytest.mark.parametrize("method", METHODS)
async def test_what_has_not_reached_a_replica_that_is_gone_is_asked_of_another(method: str) -> None:
    service, stubs = running(2)
    stubs[0].gone = asyncio.Event()
    assert [await ask(service, method) for _ in range(3)] == [1, 1, 1]
    assert stubs[0].outstanding == stubs[1].outstanding == 0
    assert service.told().failures == 0


@pytest.mark.parametrize("method", METHODS)
async def test_or_waits_for_it_to_come_back(method: str) -> None:
    service, (stub,) = running(1, restart=sage.Restart(wait=True), max_concurrency=1)
    stub.gone = asyncio.Event()
    asking = asyncio.create_task(ask(service, method))
    await stub.gone.wait()
    stub.back()
    assert await asking == 0
    assert await ask(service, method) == 0


@pytest.mark.parametrize("method", METHODS)
async def test_one_that_is_not_gone_and_cannot_be_reached_fails_its_calls(method: str) -> None:
    service, (stub,) = running(1, restart=sage.Restart(wait=True))
    stub.gone, stub.noticed = asyncio.Event(), False
    with pytest.raises(sage.ServiceUnavailable, match="nobody answers") as told:
        await ask(service, method)
    assert type(told.value) is sage.ServiceUnavailable
    assert service.told().failures == 1


@pytest.mark.parametrize("method", METHODS)
async def test_whoever_waits_for_one_that_is_stopped_instead_is_told(method: str) -> None:
    service, (stub,) = running(1, restart=sage.Restart(wait=True))
    service.went(stub, "it is gone", final=False)
    asking = asyncio.create_task(ask(service, method))
    await asyncio.sleep(0)
    await service.stop()
    service.went(stub, "it was stopped", final=False)
    with pytest.raises(sage.ServiceUnavailable, match="the service was stopped meanwhile"):
        await asking
    with pytest.raises(sage.ServiceUnavailable, match="service 'stub' cannot be called now: it was stopped"):
        await ask(service, method)
