"""Programs in files, and two ways to run the command on them: in this process and in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from sage.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]

Invoke = Callable[..., Result]
Program = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory; what loading a program leaves behind in the interpreter is taken back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{tmp_path}{os.sep}"):
            del sys.modules[name]


@pytest.fixture
def program(folder: Path) -> Program:
    """Writes a file and returns its name."""

    def write(text: str, name: str = "program.py") -> str:
        (folder / name).write_text(dedent(text), encoding="utf-8")
        return name

    return write


@pytest.fixture
def invoke() -> Invoke:
    """Runs the command in this process."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    return run


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts the command in a process of its own, with pipes; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "sage", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()
