"""``sage mock`` in a process of its own."""

import signal
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from sage.cli.mock import mock

http = pytest.importorskip("httpx2", reason="needs an HTTP client: pip install httpx2")


def test_it_serves_until_it_is_interrupted() -> None:
    program = "from sage.cli.mock import mock; mock()"
    options = ["--port", "0", "--model", "one", "--model", "two", "--step", "0.001", "--tokens", "3"]
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        names, _, url = process.stdout.readline().rstrip().partition(" at ")
        assert names == "one, two"
        answer = http.post(f"{url}/completions", json={"model": "two", "prompt": "hello"}, timeout=60)
        assert len(answer.json()["choices"][0]["text"].split()) == 3
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert (process.returncode, said) == (0, "finishing what is there; press Ctrl-C again to break off\n")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--fault", "explode=1"], "fault 'explode' is not known"),
        (["--step", "0"], "step=0"),
        (["--host", "0.0.0.0"], "API key"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(options: list[str], told: str) -> None:
    done = CliRunner().invoke(mock, options)
    assert done.exit_code == 2
    assert told in done.output
    assert "Traceback" not in done.output


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(mock, ["--port", str(port)])
    assert done.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.output
