"""``sage demo``."""

from pathlib import Path

import pytest
from click.testing import Result

import sage.demo
from tests.cli.conftest import Invoke, Program


@pytest.fixture
def shown(invoke: Invoke, program: Program) -> Result:
    """What the demo shows of a folder with two files, one of them broken."""
    program("async def greet():\n    'Documented.'\n", "hello.py")
    program("def broken(:\n", "broken.py")
    return invoke("demo", "--path", ".")


def test_the_report_goes_to_stdout(shown: Result) -> None:
    assert shown.exit_code == 0
    assert shown.stdout.startswith("1 function in 2 lines of 1 file\n")
    assert "Set aside as dead letters: 1 file" in shown.stdout


def test_the_hint_shows_the_graph(shown: Result, invoke: Invoke) -> None:
    command = shown.stdout.rstrip().splitlines()[-1].partition("sage ")[2]
    drawn = invoke(*command.split())
    assert drawn.exit_code == 0
    assert drawn.stdout.strip() == sage.demo.build().env.graph().mermaid()


def test_a_folder_that_is_not_there_is_refused(invoke: Invoke, folder: Path) -> None:
    refused = invoke("demo", "--path", "missing")
    assert refused.exit_code == 2
    assert "missing" in refused.stderr
