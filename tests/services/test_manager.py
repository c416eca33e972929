"""The life of a program's services."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import sage
from sage.testing import assert_nothing_left, virtual_time
from tests.services.samples import Echo

LOG: list[str] = []


class Logged(sage.Service):
    """Notes its life in a list that all share."""

    def __init__(self, name: str, failing: str = "") -> None:
        self.name = name
        self.failing = failing
        self._note("made")

    async def start(self) -> None:
        self._note("start")

    async def stop(self) -> None:
        self._note("stop")

    async def health(self) -> Mapping[str, Any]:
        self._note("health")
        return {"ok": True}

    async def ask(self, other: str = "") -> str:
        answer = await sage.service(other).ask() if other else ""
        return f"{self.name}{answer}"

    def _note(self, event: str) -> None:
        LOG.append(f"{self.name} {event}")
        if event == self.failing:
            raise OSError(f"no {event}")


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    LOG.clear()


def environment(*failing: str, **options: Any) -> sage.Environment:
    env = sage.Environment("life")
    for name, event in zip("ab", failing or ("", ""), strict=True):
        env.register_service(name, Logged, name, event, **options)
    return env


async def test_services_start_in_order_and_stop_in_the_reverse_of_it() -> None:
    async with assert_nothing_left(), environment().services() as services:
        assert LOG == ["a made", "a start", "b made", "b start"]
        assert await services["a"].ask("b") == "ab"  # a service may call another
    assert LOG[4:] == ["b stop", "a stop"]


async def test_one_that_cannot_start_is_told_and_those_before_it_are_stopped() -> None:
    async with assert_nothing_left():
        with pytest.raises(sage.ServiceUnavailable, match=r"service 'b' could not start: OSError: no start") as told:
            async with environment("", "start").services():
                pytest.fail("it cannot be entered")
        assert isinstance(told.value.__cause__, OSError)
        assert LOG == ["a made", "a start", "b made", "b start", "b stop", "a stop"]


async def test_one_that_cannot_be_made_is_not_stopped() -> None:
    with pytest.raises(sage.ServiceUnavailable, match="no made"):
        async with environment("made", "").services():
            pytest.fail("it cannot be entered")
    assert LOG == ["a made"]


async def test_a_failing_stop_is_told_and_the_others_are_stopped() -> None:
    with pytest.raises(sage.ServiceError, match=r"service 'b' failed while it was stopped: OSError\('no stop'\)"):
        async with environment("", "stop").services():
            pass
    assert LOG[-1] == "a stop"


async def test_a_failing_stop_is_told_beside_what_ended_the_program() -> None:
    with pytest.raises(RuntimeError, match="of the program") as told:
        async with environment("", "stop").services():
            raise RuntimeError("of the program")
    assert told.value.__notes__ == ["service 'b' failed while it was stopped: OSError('no stop')"]
    with pytest.raises(sage.ServiceUnavailable, match="no start") as started:
        async with environment("stop", "start").services():
            pytest.fail("it cannot be entered")
    assert started.value.__notes__ == ["service 'a' failed while it was stopped: OSError('no stop')"]


class Halted(BaseException):
    """No `Exception`."""


class Refusing(sage.Service):
    """Cannot start."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def start(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [asyncio.CancelledError("by itself"), Halted("by itself")])
async def test_whatever_start_raises_the_program_goes_on(error: BaseException) -> None:
    env = environment()
    env.register_service("refusing", Refusing, error)
    with pytest.raises(sage.ServiceUnavailable, match=rf"could not start: {type(error).__name__}: by itself"):
        async with env.services():
            pytest.fail("it cannot be entered")
    assert LOG[-2:] == ["b stop", "a stop"]


async def test_all_replicas_that_cannot_start_are_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(sage.ServiceUnavailable):
        async with environment("", "start", replicas=3).services():
            pytest.fail("it cannot be entered")
    gc.collect()
    assert caplog.records == []  # such as of an exception that nobody has asked for


async def test_they_may_be_entered_and_left_by_different_tasks() -> None:
    services = environment().services()
    await asyncio.create_task(services.__aenter__())
    assert await services["a"].ask() == "a"
    await asyncio.create_task(services.__aexit__(None, None, None))
    assert LOG[-2:] == ["b stop", "a stop"]


async def test_services_that_run_are_not_entered_again() -> None:
    async with environment().services() as services:
        with pytest.raises(sage.ServiceError, match=r"run already; env\.services\(\) makes others"):
            async with services:
                pytest.fail("it cannot be entered")
        assert await services["a"].ask() == "a"


@pytest.mark.parametrize("options", [{"place": "zmq"}, {"max_concurrency": 1}])
async def test_a_call_from_another_event_loop_is_refused(options: dict[str, Any]) -> None:
    async with environment(**options).services() as services:
        with pytest.raises(sage.ServiceError, match="'a' belongs to the event loop in which it was started"):
            await asyncio.to_thread(lambda: asyncio.run(services["a"].ask()))


class Tardy(sage.Service):
    """Tells that it starts, and never has."""

    def __init__(self, fifo: str) -> None:
        self.fifo = fifo

    async def start(self) -> None:
        os.close(os.open(self.fifo, os.O_WRONLY))
        await asyncio.Event().wait()


async def test_a_process_that_is_not_wanted_while_it_starts_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(process: asyncio.subprocess.Process) -> None:
        pytest.fail(f"process {process.pid} had to be killed")

    monkeypatch.setattr(asyncio.subprocess.Process, "kill", kill)
    fifo = str(tmp_path / "starts")
    os.mkfifo(fifo)
    env = sage.Environment("tardy")
    env.register_service("tardy", Tardy, fifo, place="zmq")

    async def enter() -> None:
        async with env.services():
            pytest.fail("it cannot be entered")

    entering = asyncio.create_task(enter())
    await asyncio.to_thread(lambda: os.close(os.open(fifo, os.O_RDONLY)))
    entering.cancel()
    await asyncio.wait([entering])
    assert entering.cancelled()


class Bare(sage.Service):
    """Has no method, and tells its health as it is told to."""

    def __init__(self, told: Any = None) -> None:
        self.told = told

    async def health(self) -> Any:
        return self.told


@pytest.mark.parametrize("told", [None, True, {}])
async def test_health_that_tells_nothing(told: Any) -> None:
    env = sage.Environment("bare")
    env.register_service("bare", Bare, told)
    async with env.services() as services:
        health = (await services.health())["bare"]
        assert health["ok"] is False
        assert f"health() gave {told!r}; return a mapping with 'ok'" in health["replicas"][0]["error"]


async def test_a_stream_that_is_asked_for_too_early_says_so() -> None:
    env = sage.Environment("early")
    env.register_service("echo", Echo)
    services = env.services()
    with pytest.raises(sage.ServiceUnavailable, match="service 'echo' cannot be called now: it has not started"):
        await anext(services["echo"].count(3))


async def test_a_service_without_methods_says_so() -> None:
    env = sage.Environment("bare")
    env.register_service("bare", Bare)
    async with env.services() as services:
        with pytest.raises(sage.UnknownMethod, match="no method 'say' to call; there are: none"):
            await services["bare"].say("x")


async def test_health() -> None:
    async with environment("", "health", replicas=2).services() as services:
        health = await services.health()
        assert health["a"] == {"ok": True, "replicas": [{"ok": True}, {"ok": True}]}
        assert health["b"]["ok"] is False
        assert health["b"]["replicas"][0]["error"] == "OSError: no health"


async def test_a_service_is_found_by_name_or_class() -> None:
    env = environment()
    env.register_service("echo", Echo)
    async with env.services() as services:
        assert await sage.service(Echo).say("x") == "x"
        assert "echo" in services
        with pytest.raises(sage.UnknownService, match=r"there is no service 'c'; there is a, b, echo"):
            services["c"]
        with pytest.raises(sage.UnknownService, match=r"Logged is registered as a, b: write the name"):
            sage.service(Logged)
        with pytest.raises(sage.UnknownService, match=r"Service is not registered; there is a, b, echo"):
            sage.service(sage.Service)
    with pytest.raises(sage.UnknownService, match=r"no program with services runs here"):
        sage.service("a")


async def test_a_factory_makes_instances_where_they_run() -> None:
    env = sage.Environment("factory")
    env.register_service_factory("made", lambda: Logged("from a factory"), place="zmq")
    async with env.services() as services:
        assert await services["made"].ask() == "from a factory"
    assert LOG == []  # not here


async def test_a_job_starts_its_services_first_and_stops_them_last() -> None:
    env = environment()

    async def ask(name: str) -> str:
        answer: str = await sage.service(name).ask()
        return answer

    assert await env.from_iterable(["a", "b"]).map(ask).to_list() == ["a", "b"]
    assert LOG[-2:] == ["b stop", "a stop"]


async def test_a_job_whose_service_cannot_start_fails() -> None:
    env = environment("start", "")
    env.from_iterable([1]).sink(print)
    async with env.start() as job:
        with pytest.raises(sage.ServiceUnavailable, match="'a' could not start"):
            await job.wait()
        assert job.status == "failed"


@virtual_time
async def test_replicas_share_the_work_and_know_who_they_are() -> None:
    env = sage.Environment("replicas")
    env.register_service("echo", Echo, replicas=3)
    async with env.services() as services:
        seen = await asyncio.gather(*(services["echo"].replica() for _ in range(30)))
        assert [seen.count(index) for index in range(3)] == [10, 10, 10]


class Mortal(sage.Service):
    """Tells which process it lives in, and can be asked to end it."""

    async def pid(self) -> int:
        return os.getpid()

    async def hang(self) -> None:
        await asyncio.sleep(3600)


def mortal(**options: Any) -> sage.Environment:
    env = sage.Environment("mortal")
    env.register_service("mortal", Mortal, place="zmq", **options)
    return env


async def test_calls_of_a_process_that_dies_fail_at_once_and_say_how_it_ended() -> None:
    async with assert_nothing_left(), mortal().services() as services:
        pid = await services["mortal"].pid()
        hanging = [asyncio.create_task(services["mortal"].hang()) for _ in range(20)]
        await services["mortal"].pid()  # behind them
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            outcomes = await asyncio.gather(*hanging, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {sage.ServiceUnavailable}
        async with asyncio.timeout(60):
            while True:
                with pytest.raises(sage.ServiceUnavailable) as told:
                    await services["mortal"].pid()
                if f"process {pid} was killed by SIGKILL" in str(told.value):
                    break
                await asyncio.sleep(0)
        health = (await services.health())["mortal"]
        assert health["ok"] is False
        assert health["replicas"][0]["error"] == f"it is not running: process {pid} was killed by SIGKILL"


async def test_calls_may_wait_for_a_process_to_come_back() -> None:
    restart = sage.Restart(attempts=2, delay=0, wait=True)
    async with mortal(restart=restart, retry=sage.Retry(attempts=5, delay=0.01)).services() as services:
        first = await services["mortal"].pid()
        os.kill(first, signal.SIGKILL)
        second = await services["mortal"].pid()
        assert second != first
        assert services.statistics()["mortal"].restarts == 1


async def test_a_process_that_cannot_start_says_why() -> None:
    env = environment("", "start", place="zmq")
    with pytest.raises(sage.ServiceUnavailable, match=r"'b' could not start: OSError: no start"):
        async with env.services():
            pytest.fail("it cannot be entered")


class Unlucky(Exception):
    """Cannot be pickled as it is."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(f"{kind} " * size)
        self.held = threading.Lock() if kind == "held" else None


class Raising(sage.Service):
    """Cannot start."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self.size = size

    async def start(self) -> None:
        raise Unlucky(self.kind, self.size)


async def test_what_cannot_go_to_another_process_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    env = sage.Environment("held")
    env.register_service("raising", Raising, threading.Lock(), 1, place="zmq")
    with pytest.raises(sage.ServiceUnavailable, match=r"cannot be pickled \(.*lock.*\); make in start\(\)"):
        async with env.services():
            pytest.fail("it cannot be entered")
    assert capfd.readouterr().err == ""  # no process was started


async def made() -> Echo:
    return Echo()


@pytest.mark.parametrize("make", [lambda: None, lambda: Echo, made])
async def test_a_factory_that_makes_something_else_is_told(make: Any) -> None:
    env = sage.Environment("factory")
    env.register_service_factory("echo", make)
    with pytest.raises(sage.ServiceUnavailable, match=r"its factory gave .*; return an instance of a subclass") as told:
        async with env.services():
            pytest.fail("it cannot be entered")
    assert not hasattr(told.value, "__notes__")  # what was not made is not stopped


async def test_a_process_says_why_it_cannot_start_whatever_that_was() -> None:
    for kind, size in (("long", 50_000), ("held", 1)):
        env = sage.Environment("unlucky")
        env.register_service("raising", Raising, kind, size, place="zmq")
        with pytest.raises(sage.ServiceUnavailable, match=rf"Unlucky: {kind} ") as told:
            async with env.services():
                pytest.fail("it cannot be entered")
        assert str(told.value).count(kind) == size


async def test_a_process_that_cannot_be_stopped_in_order_says_why() -> None:
    with pytest.raises(sage.ServiceError, match=r"service 'b' failed while it was stopped: .*OSError\('no stop'\)"):
        async with environment("", "stop", place="zmq").services():
            pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"replicas": 0}, "replicas=0: write a whole number, 1 or more"),
        ({"place": "mars"}, "place='mars' is not known; write one of 'inproc', 'zmq', 'ray'"),
        ({"max_queue": 5}, "max_queue=5: nothing waits unless max_concurrency is given"),
        ({"timeout": -1}, "timeout=-1: write a number above 0"),
        ({"rate": 0}, "rate=0: write a number above 0"),
        ({"retry": 3}, r"retry=3: write sage.Retry\(...\)"),
        ({"restart": sage.Restart()}, "restart=...: in this process a service cannot die alone"),
        ({"balance": "most"}, "balance='most' is not known"),
        ({"breaker": True}, r"breaker=True: write sage.Breaker\(...\)"),
        ({"restart": 3, "place": "zmq"}, r"restart=3: write sage.Restart\(...\)"),
        (
            {"plase": "zmq"},
            "Echo: got an unexpected keyword argument 'plase'; the options of a service are replicas, place,",
        ),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], text: str) -> None:
    env = sage.Environment("bad")
    with pytest.raises(sage.GraphError, match=rf"register_service\('echo', ...\): {text}"):
        env.register_service("echo", Echo, **options)


def test_delays_of_restarts_grow_up_to_the_longest() -> None:
    restart = sage.Restart(attempts=9, delay=0.5, backoff=3, max_delay=10)
    assert [restart.pause(attempt) for attempt in range(1, 6)] == [0.5, 1.5, 4.5, 10, 10]
    assert restart.pause(10_000) == 10
    assert sage.Restart(delay=0).pause(10_000) == 0


def test_services_that_cannot_be() -> None:
    env = sage.Environment("bad")

    class Sync(sage.Service):
        def start(self) -> None:  # type: ignore[override]
            """Not async."""

    with pytest.raises(sage.GraphError, match=r"Sync\.start is not async; write async def start\(self\)"):
        env.register_service("sync", Sync)
    with pytest.raises(sage.GraphError, match=r"str is not a service; derive it from sage\.Service"):
        env.register_service("text", str)  # type: ignore[arg-type]
    with pytest.raises(sage.GraphError, match="give the class"):
        env.register_service("echo", Echo())  # type: ignore[arg-type]
    with pytest.raises(sage.GraphError, match="write a name"):
        env.register_service("", Echo)
    env.register_service("echo", Echo)
    with pytest.raises(sage.GraphError, match="there is a service of that name already"):
        env.register_service("echo", Echo)
    for bad in ({"failures": 0}, {"reset": -1}):
        with pytest.raises(sage.GraphError, match="Breaker"):
            sage.Breaker(**bad)
    mistakes: list[dict[str, Any]] = [{"attempts": 0}, {"delay": -1}, {"backoff": 0.5}]
    for wrong in mistakes:
        with pytest.raises(sage.GraphError, match="Restart"):
            sage.Restart(**wrong)
