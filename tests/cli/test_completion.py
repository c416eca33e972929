"""Shell completion."""

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT, Invoke


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_prints_the_script_of_the_shell(invoke: Invoke, shell: str, mark: str) -> None:
    result = invoke("completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert mark in result.stdout
    assert f"_SAGE_COMPLETE={shell}_complete" in result.stdout


def test_other_shells_are_refused(invoke: Invoke) -> None:
    result = invoke("completion", "tcsh")
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("sage d", ["plain,demo", "plain,doctor"]),
        ("sage run --j", ["plain,--json"]),
        ("sage run pro", ["file,pro"]),
        ("sage graph x.py --format m", ["plain,mermaid"]),
    ],
)
def test_the_command_completes(words: str, offered: list[str]) -> None:
    last = str(len(words.split()) - 1)
    done = subprocess.run(
        [sys.executable, "-c", "from sage.cli.main import main; main()"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_SAGE_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": last,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.splitlines(), done.stderr) == (offered, "")
