"""The command as a whole."""

import importlib.metadata
import subprocess
import sys
import tomllib

import pytest

import sage
from tests.cli.conftest import ROOT, Invoke, Start

COMMANDS = ["completion", "demo", "doctor", "graph", "run"]


def test_the_version(invoke: Invoke) -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"sage {sage.__version__}\n")


def test_the_entry_point_is_this_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    entry = importlib.metadata.EntryPoint("sage", scripts["sage"], "console_scripts")
    assert entry.load().__module__ == "sage.cli.main"


def test_python_m_sage_is_the_same_command(start: Start) -> None:
    out, err = start("--version").communicate()
    assert (out, err) == (f"sage {sage.__version__}\n", "")


def test_help_names_all_commands(invoke: Invoke) -> None:
    shown = invoke("--help").stdout
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(invoke: Invoke, command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"sage {command}" in result.stdout


def test_wrong_usage_is_code_2(invoke: Invoke) -> None:
    assert [invoke(*arguments).exit_code for arguments in ([], ["fly"], ["run"], ["run", "--fast", "x.py"])] == [
        2,
        2,
        2,
        2,
    ]


def test_the_command_starts_without_rich() -> None:
    code = "import sage.cli.main, sys; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
