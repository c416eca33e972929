"""Services of another program."""

import asyncio
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import sage
from sage.services.described import Described
from sage.services.directory import ServiceDirectory
from sage.services.envelope import Raised
from sage.services.exposed import exposed, server_keys
from sage.transports.rpc import RpcServer
from sage.transports.zmq import CurveClient, KeyPair
from tests.services.samples import Echo, Odd
from tests.services.test_calls import noted

PROGRAM = """
import sage

class Echo(sage.Service):
    async def say(self, text): return "> " + text
    async def count(self, to):
        for number in range(to):
            yield number

env = sage.Environment("offered")
env.register_service("echo", Echo)
"""


def environment() -> sage.Environment:
    env = sage.Environment("offered")
    env.register_service("echo", Echo, prefix="> ")
    return env


@asynccontextmanager
async def reached(env: sage.Environment, **options: Any) -> AsyncIterator[ServiceDirectory]:
    """The services of `env`, exposed here and connected to."""
    async with (
        env.services() as services,
        exposed(services, "tcp://127.0.0.1:0") as server,
        sage.connect(server.address, **options) as there,
    ):
        yield there


async def test_another_program_calls_streams_and_cancels() -> None:
    async with (
        environment().services() as services,
        exposed(services, "tcp://127.0.0.1:0") as server,
        sage.connect(server.address) as there,
    ):
        echo = there["echo"]
        assert await echo.say("hello") == "> hello"
        assert [number async for number in echo.count(1000)] == list(range(1000))
        with pytest.raises(ValueError, match="from the service"):
            await echo.wrong()
        with pytest.raises(sage.UnknownMethod, match=r"no method 'missing' to call; it has count, even"):
            await echo.missing()
        with pytest.raises(sage.UnknownService, match=r"there is no service 'ehco'; there is echo"):
            there["ehco"]
        call = asyncio.create_task(echo.slow(60))
        await noted(services["echo"], "began")
        call.cancel()
        await asyncio.wait([call])
        await noted(services["echo"], "cancelled")


class Refused(Exception):
    """Cannot be told whole: what it holds belongs to its process."""

    def __init__(self, text: str) -> None:
        super().__init__(text, asyncio.Event())

    def __str__(self) -> str:
        return str(self.args[0])


class Outer:
    """Has an error class of its own."""

    class Nested(Odd):
        """Told by its qualified name."""


class Running(Exception):
    """Runs code when it is made, so nobody makes it who was not asked to."""

    def __new__(cls, *args: object) -> "Running":
        raise AssertionError("it was run")


class Local(Exception):
    """Comes from a module that nobody has here."""

    __module__ = "somewhere.else"


class Failing(sage.Service):
    """Raises all kinds of errors."""

    async def fail(self, which: str) -> None:
        makers: dict[str, Callable[[], Exception]] = {
            "own": lambda: Odd(7),
            "nested": lambda: Outer.Nested(9),
            "whole": lambda: Refused("not now"),
            "sage": lambda: sage.Overloaded("too much"),
            "local": lambda: Local("from afar"),
        }
        error = makers[which]()
        error.add_note("a note of its own")
        raise error

    async def items(self) -> AsyncIterator[int]:
        yield 1
        raise Odd(1)


@asynccontextmanager
async def failing(**options: Any) -> AsyncIterator[Any]:
    env = sage.Environment("failing")
    env.register_service("failing", Failing)
    async with reached(env, **options) as there:
        yield there["failing"]


async def test_errors_of_classes_that_are_imported_here_arrive_as_themselves() -> None:
    async with failing() as there:
        with pytest.raises(Odd, match="7 is odd") as own:
            await there.fail("own")
        assert own.value.number == 7
        notes = "\n".join(own.value.__notes__)
        assert "a note of its own" in notes
        assert "failing.fail" in notes
        with pytest.raises(Outer.Nested) as nested:
            await there.fail("nested")
        assert nested.value.number == 9
        with pytest.raises(sage.Overloaded, match="too much"):
            await there.fail("sage")
        items = there.items()
        assert await anext(items) == 1
        with pytest.raises(Odd, match="1 is odd"):
            await anext(items)


async def test_errors_that_cannot_be_made_here_are_told_by_type_and_text() -> None:
    async with failing() as there:
        with pytest.raises(sage.ServiceError, match=r"failing\.fail raised somewhere\.else\.Local: from afar") as told:
            await there.fail("local")
        assert "a note of its own" in told.value.__notes__
        with pytest.raises(sage.ServiceError, match=r"failing\.fail raised tests\..*Refused: not now"):
            await there.fail("whole")


async def test_a_class_of_the_same_name_can_be_given_for_one_that_is_elsewhere() -> None:
    ours = type("Local", (Exception,), {})  # as another module would have it
    async with failing(errors=[ours]) as there:
        with pytest.raises(ours, match="from afar"):
            await there.fail("local")


async def test_errors_that_cannot_be_given() -> None:
    for errors, text in (([17], "17 is not a class derived from Exception"), ([Odd, type("Odd", (Odd,), {})], "two")):
        with pytest.raises(sage.GraphError, match=text):
            async with sage.connect("tcp://127.0.0.1:9", errors=errors):  # type: ignore[arg-type]
                pytest.fail("it cannot be entered")


class Hostile:
    """Does something when it is unpickled."""

    done = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Hostile, "done", True)


@pytest.mark.parametrize(
    "error",
    [
        Raised(pickle.dumps(Hostile()), "ValueError: harmless"),
        Described(17, None, None, None),  # type: ignore[arg-type]
        Described("os:system", "", ["exit"], {}),
        Described("sage:Environment", "", ["exit"], {}),
        Described("asyncio.exceptions:CancelledError", "", [], {}),
        Described(f"{Running.__module__}:Running", "", [], {}),
        Described("tests.services.samples:Odd.__init__", "", [], {}),
        Described("nowhere.to.be:Found", "", [], {}),
    ],
)
async def test_what_a_hostile_program_raises_is_neither_unpickled_nor_run(error: Exception) -> None:
    async def fail() -> None:
        raise error

    methods = {"_describe": lambda: {"there": {"fail": "UNARY"}}, "there.fail": fail}
    async with RpcServer(methods) as server, sage.connect(server.address) as services:
        with pytest.raises(sage.ServiceError, match=r"there\.fail raised"):
            await services["there"].fail()
    assert not Hostile.done
    assert "nowhere" not in sys.modules


async def test_attributes_of_errors_from_outside_are_plain_names() -> None:
    async def fail() -> None:
        kind = f"{Odd.__module__}:Odd"
        raise Described(kind, "", ["x"], {"number": 3, "__notes__": 7, 5: 6})  # type: ignore[dict-item]

    methods = {"_describe": lambda: {"there": {"fail": "UNARY"}}, "there.fail": fail}
    async with RpcServer(methods) as server, sage.connect(server.address) as services:
        with pytest.raises(Odd) as told:
            await services["there"].fail()
    assert told.value.number == 3
    assert isinstance(told.value.__notes__, list)


async def test_nobody_there() -> None:
    with pytest.raises(sage.ServiceUnavailable, match=r"no services at tcp://127.0.0.1:9"):
        async with sage.connect("tcp://127.0.0.1:9", timeout=0.2):
            pytest.fail("there is nothing to connect to")


class Named(sage.Service):
    """Its arguments have names that callers have, too."""

    async def ask(self, service: int, method: int) -> list[int]:
        return [service, method]

    async def items(self, service: int, method: int) -> AsyncIterator[int]:
        for item in (service, method):
            yield item


async def test_arguments_may_have_any_name() -> None:
    env = sage.Environment("named")
    env.register_service("named", Named)
    async with reached(env) as there:
        assert await there["named"].ask(service=1, method=2) == [1, 2]
        assert [item async for item in there["named"].items(service=1, method=2)] == [1, 2]


async def test_a_name_may_have_a_dot() -> None:
    env = sage.Environment("dotted")
    env.register_service("models.echo", Echo)
    async with reached(env) as there:
        assert await there["models.echo"].say("x") == "x"


async def test_somebody_else_is_there() -> None:
    async with RpcServer({"add": lambda a, b: a + b}) as server:
        with pytest.raises(sage.ServiceUnavailable, match=r"no services at tcp://\S+: whoever listens there offers"):
            async with sage.connect(server.address):
                pytest.fail("there are no services")


@pytest.mark.parametrize("address", ["127.0.0.1:5999", "http://127.0.0.1:5999", "tcp://127.0.0.1", "tcp://10.1.2.3:5"])
async def test_addresses_that_cannot_be(address: str) -> None:
    with pytest.raises(sage.GraphError, match=r"connect\(.*(write 'tcp://HOST:PORT'|it needs keys)"):
        async with sage.connect(address):
            pytest.fail("there is nothing to connect to")


async def test_beyond_this_machine_there_must_be_keys() -> None:
    async with environment().services() as services:
        with pytest.raises(sage.GraphError, match=r"cannot be offered at 'tcp://0.0.0.0:0': .*keys"):
            async with exposed(services, "tcp://0.0.0.0:0"):
                pytest.fail("it must not be bound")


async def test_keys(tmp_path: Path) -> None:
    host, client, stranger = KeyPair.generate(), KeyPair.generate(), KeyPair.generate()
    host.save(tmp_path / "host.key")
    curve = server_keys(tmp_path / "host.key", [client.public])
    async with environment().services() as services, exposed(services, "tcp://127.0.0.1:0", curve=curve) as server:
        async with sage.connect(server.address, curve=CurveClient(client, host.public)) as there:
            assert await there["echo"].say("known") == "> known"
        with pytest.raises(sage.ServiceUnavailable):
            async with sage.connect(server.address, curve=CurveClient(stranger, host.public), timeout=1):
                pytest.fail("it must not be let in")


def test_keys_that_cannot_be(tmp_path: Path) -> None:
    assert server_keys(None, []) is None
    with pytest.raises(sage.GraphError, match="the server has none of its own"):
        server_keys(None, ["x"])
    with pytest.raises(sage.GraphError, match="cannot be read"):
        server_keys(tmp_path / "missing", [])


def test_the_command_offers_services_until_it_is_interrupted(tmp_path: Path) -> None:
    program = tmp_path / "offered.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "sage", "serve-services", str(program), "--bind", "tcp://127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        name, _, address = line.partition(" at ")
        assert name == "echo", line

        async def ask() -> str:
            async with sage.connect(address) as services:
                answer: str = await services["echo"].say("there?")
                return answer

        try:
            assert asyncio.run(ask()) == "> there?"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_program_without_services_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "empty.py"
    program.write_text("import sage\nenv = sage.Environment('empty')\n")
    done = subprocess.run(
        [sys.executable, "-m", "sage", "serve-services", str(program)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    assert "has no services; write env.register_service" in done.stderr
