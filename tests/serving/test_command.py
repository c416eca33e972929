"""``sage serve``: what it finds in a file, where it listens, and how it stops."""

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from sage.cli.failures import CannotRun
from sage.cli.loading import Target
from sage.cli.serve import load_app, serve
from sage.errors import GraphError
from sage.serving import ServingApp
from sage.serving.listening import check_exposed, listen

PROGRAM = """
    import sage

    env = sage.Environment("orders")
    env.endpoint("double").map(lambda x: 2 * x).reply()
"""
APP = (
    PROGRAM
    + """
    async def talk(request):
        yield "hello"

    chat = sage.Environment("talker")
    chat.endpoint("talk").flat_map(talk).reply()
    app = sage.serving.openai_app(chat, chat={"talker": "talk"}, auth=["secret"])

    def build():
        return env

    def wrong():
        return 3

    async def raw(scope, receive, send):
        pass
"""
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; what loading a program leaves behind is taken back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    (tmp_path / "program.py").write_text(dedent(PROGRAM))
    (tmp_path / "chat.py").write_text(dedent(APP))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def loaded(path: str, name: str | None = None, keys: list[str] | None = None) -> Any:
    return load_app(Target(Path(path), name), keys)


def test_what_a_file_holds() -> None:
    program = loaded("program.py")
    assert isinstance(program, ServingApp)
    assert (program.name, program.guarded) == ("orders", False)
    assert loaded("program.py", keys=["k"]).guarded
    app = loaded("chat.py")
    assert (app.name, app.guarded) == ("talker", True)
    assert loaded("chat.py", "app").name == "talker"
    assert loaded("chat.py", "build").name == "orders"
    assert callable(loaded("chat.py", "raw"))


@pytest.mark.parametrize(
    ("name", "keys", "told"),
    [
        ("wrong", None, "returned a int, not a sage.Environment or an ASGI app"),
        ("nothing", None, "there is no 'nothing'; there is chat.py:env, chat.py:chat, chat.py:app"),
        ("sage", None, "'sage' is no app; there is chat.py:env"),
        ("app", ["k"], "give it auth= where it is made"),
    ],
)
def test_what_cannot_be_served(name: str, keys: list[str] | None, told: str) -> None:
    with pytest.raises(CannotRun, match=told):
        loaded("chat.py", name, keys)


def test_two_apps(folder: Path) -> None:
    with (folder / "chat.py").open("a") as file:
        file.write("other = sage.serving.app(env)\n")
    with pytest.raises(CannotRun, match=r"several apps; name one:\n    chat.py:app\n    chat.py:other"):
        loaded("chat.py")


def test_strangers_need_keys() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        check_exposed(host, guarded=False, insecure=False)
    for host in ("0.0.0.0", "::", "example.org"):
        check_exposed(host, guarded=True, insecure=False)
        check_exposed(host, guarded=False, insecure=True)
        with pytest.raises(GraphError, match=r"beyond this machine.*--keys FILE.*--insecure"):
            check_exposed(host, guarded=False, insecure=False)


def test_the_command_refuses_to_be_open_to_all() -> None:
    done = CliRunner().invoke(serve, ["program.py", "--host", "0.0.0.0", "--port", "0"])
    assert done.exit_code == 2
    assert "--insecure" in done.output


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(serve, ["program.py", "--port", str(port)])
    assert done.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port}" in done.output


def test_little_lies_in_the_kernel() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()) as client:
        accepted, _ = listening.accept()
        with accepted:
            client.settimeout(60)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 1 << 20
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_it_serves_until_it_is_told_to_stop(folder: Path) -> None:
    (folder / "keys").write_text("# ours\ngood\n")
    command = [sys.executable, "-c", "from sage.cli.serve import serve; serve()"]
    root = str(Path(__file__).resolve().parents[2])
    with (
        subprocess.Popen(
            [*command, "program.py", "--port", "0", "--keys", "keys"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process,
        contextlib.ExitStack() as at_the_end,
    ):
        at_the_end.callback(process.kill)  # if the test fails before it has ended by itself
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("serving 'orders' at http://127.0.0.1:"), first
        url = first.split(" at ")[1].split(";")[0]
        request = urllib.request.Request(f"{url}/double", b"21", {"content-type": "application/json"})
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=60)
        request.add_header("authorization", "Bearer good")
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.read() == b"42\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert (process.returncode, told) == (0, "finishing what is there; press Ctrl-C again to break off\n")


@pytest.mark.parametrize(("written", "told"), [(b"# none\n\n", "there is no key in it"), (b"\xff", "no text in UTF-8")])
def test_a_file_of_keys_that_has_none(folder: Path, written: bytes, told: str) -> None:
    (folder / "keys").write_bytes(written)
    done = CliRunner().invoke(serve, ["program.py", "--port", "0", "--keys", "keys"])
    assert (done.exit_code, told in done.output) == (2, True)


def test_a_program_that_cannot_start_is_not_said_to_be_served(folder: Path) -> None:
    (folder / "empty.py").write_text("import sage\napp = sage.serving.app(sage.Environment('empty'))\n")
    done = CliRunner().invoke(serve, ["empty.py", "--port", "0"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "program 'empty' has nothing to run" in done.stderr
    assert "Traceback" not in done.stderr
