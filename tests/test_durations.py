"""Where sage takes a duration, it takes seconds or a timedelta, and refuses what is neither."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import sage
from sage import transports
from sage.errors import SageError
from sage.middleware import Agent, ChatModel, EmbeddingModel, ModelServer
from sage.services.breaker import Circuit
from sage.serving import Limits, app, openai_app
from sage.testing import ManualClock

SECOND = timedelta(seconds=1)
SERVER = ModelServer("http://127.0.0.1:9/v1", "m")


def stream() -> Any:
    return sage.Environment("e").from_iterable([1])


def program() -> sage.Environment:
    env = sage.Environment("e")
    env.endpoint("ask").reply()
    return env


async def twice(value: int) -> int:
    return 2 * value


class Embedder(sage.Service):
    async def embed(self, text: str) -> str:
        return text


def registered(**options: Any) -> None:
    sage.Environment("e").register_service("embedder", Embedder, **options)


TAKEN: dict[str, Callable[[Any], object]] = {
    "budget": lambda length: sage.Environment("e", budget=length),
    "delay": lambda length: sage.Retry(delay=length),
    "max_delay": lambda length: sage.Retry(max_delay=length),
    "restart delay": lambda length: sage.Restart(delay=length),
    "restart max_delay": lambda length: sage.Restart(max_delay=length),
    "settled": lambda length: sage.Restart(settled=length),
    "reset": lambda length: sage.Breaker(reset=length),
    "service timeout": lambda length: registered(timeout=length),
    "batched max_wait": lambda length: sage.batched(max_wait=length),
    "timeout": lambda length: stream().map(twice, timeout=length),
    "batch max_wait": lambda length: stream().batch(max_size=2, max_wait=length),
    "map_batch max_wait": lambda length: stream().map_batch(list, max_size=2, max_wait=length),
    "interval": lambda length: sage.sources.ticker(length),
    "pause": lambda length: ChatModel(SERVER, pause=length),
    "first_token": lambda length: ChatModel(SERVER, first_token=length),
    "gap": lambda length: ChatModel(SERVER, gap=length),
    "connect": lambda length: ChatModel(SERVER, connect=length),
    "embeddings max_wait": lambda length: EmbeddingModel(SERVER, max_wait=length),
    "time_limit": lambda length: EmbeddingModel(SERVER, time_limit=length),
    "tool_timeout": lambda length: Agent("chat", [], tool_timeout=length),
    "stall": lambda length: Limits(stall=length),
    "keep_alive": lambda length: Limits(keep_alive=length),
    "app timeout": lambda length: app(program(), timeout=length),
    "openai_app timeout": lambda length: openai_app(program(), chat={"m": "ask"}, timeout=length),
    "rpc connection_timeout": lambda length: transports.RPCQueueDescriptor(connection_timeout=length),
    "lost_after": lambda length: transports.RPCQueueDescriptor(lost_after=length),
    "sage connection_timeout": lambda length: transports.SageQueueDescriptor(connection_timeout=length),
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_timedelta_is_as_good_as_seconds(name: str) -> None:
    TAKEN[name](1.5)
    TAKEN[name](timedelta(seconds=1.5))


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("wrong", ["5s", -1, -SECOND, True, float("nan")])
def test_what_is_no_duration_is_refused_by_the_name_of_the_option(name: str, wrong: object) -> None:
    with pytest.raises((SageError, transports.InvalidChannel)) as refused:
        TAKEN[name](wrong)
    assert re.search(rf"\b{name.split()[-1]}\b", str(refused.value))
    shown = "-1.0" if wrong == -SECOND else repr(wrong)  # some tell the seconds that a timedelta is
    assert shown in str(refused.value) or repr(wrong) in str(refused.value)


def test_timedeltas_count_as_the_seconds_they_are() -> None:
    restart = sage.Restart(delay=timedelta(milliseconds=500), backoff=3, max_delay=timedelta(seconds=10))
    assert [restart.pause(attempt) for attempt in (1, 2, 3, 9)] == [0.5, 1.5, 4.5, 10]
    assert transports.RPCQueueDescriptor(lost_after=timedelta(seconds=2)).lost_after == 2.0
    assert transports.SageQueueDescriptor(connection_timeout=timedelta(minutes=1)).metadata["connection_timeout"] == 60
    assert sage.Environment("e", budget=timedelta(milliseconds=1)).config.budget == 0.001
    clock = ManualClock(start=0)
    clock.advance(timedelta(minutes=1))
    assert clock.now() == 60


async def test_a_circuit_is_tried_again_after_a_timedelta() -> None:
    circuit = Circuit("embedder", sage.Breaker(failures=1, reset=timedelta(0)))
    circuit.failed()
    circuit.check()  # it may be tried at once


async def test_deadlines_take_both_and_nothing_else() -> None:
    with sage.deadline(timedelta(minutes=1)):
        pass
    refused = re.escape("deadline('5'): write seconds from now, or a timedelta")
    with pytest.raises(TypeError, match=refused), sage.deadline("5"):  # type: ignore[arg-type]
        raise AssertionError("not reached")


async def test_connecting_takes_both() -> None:
    with pytest.raises(sage.ServiceUnavailable):
        async with sage.connect("ipc://@sage-nobody", timeout=timedelta(milliseconds=1)):
            raise AssertionError("not reached")
    with pytest.raises(sage.GraphError, match=re.escape("timeout='5'): write seconds, more than 0")):
        async with sage.connect("ipc://@sage-nobody", timeout="5"):  # type: ignore[arg-type]
            raise AssertionError("not reached")
