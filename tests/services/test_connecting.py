"""Services of another program."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import sage
from sage.services.exposed import exposed, server_keys
from sage.transports.zmq import CurveClient, KeyPair
from tests.services.samples import Echo
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
        with pytest.raises(sage.ServiceError, match="3 is odd"):  # its class is not known here
            await echo.even(3)
        with pytest.raises(sage.UnknownMethod, match=r"no method 'missing' to call; it has count, even"):
            await echo.missing()
        with pytest.raises(sage.UnknownService, match=r"there is no service 'ehco'; there is echo"):
            there["ehco"]
        call = asyncio.create_task(echo.slow(60))
        await noted(services["echo"], "began")
        call.cancel()
        await asyncio.wait([call])
        await noted(services["echo"], "cancelled")


async def test_nobody_there() -> None:
    with pytest.raises(sage.ServiceUnavailable, match=r"no services at tcp://127.0.0.1:9"):
        async with sage.connect("tcp://127.0.0.1:9", timeout=0.2):
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
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_a_program_without_services_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "empty.py"
    program.write_text("import sage\nenv = sage.Environment('empty')\n")
    done = subprocess.run(
        [sys.executable, "-m", "sage", "serve-services", str(program)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "has no services; write env.register_service" in done.stderr
