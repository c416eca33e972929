"""``sage demo``."""

import json
import shlex
import signal
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from click.testing import Result

import sage.demo
from sage.demo import asking
from sage.serving.listening import listen
from tests.cli.conftest import Invoke, Program, Start

HERB = '''\
"""Herbs."""

def water(herb):
    """Water a herb until its pot, which should have a hole, drips on the table below."""
'''
QUESTION = "How long should I water a herb in its pot?"
ANSWER = "Water a herb until its pot, which should have a hole, drips on the table below."


@pytest.fixture
def surveyed(invoke: Invoke, program: Program) -> Result:
    """What the survey shows of a folder with two files, one of them broken."""
    program("async def greet():\n    'Documented.'\n", "hello.py")
    program("def broken(:\n", "broken.py")
    return invoke("demo", "--survey", "--path", ".")


@pytest.fixture
def herbs(program: Program) -> str:
    """A folder with a documented function."""
    program(HERB, "herbs.py")
    return "."


def test_the_report_goes_to_stdout(surveyed: Result) -> None:
    assert surveyed.exit_code == 0
    assert surveyed.stdout.startswith("1 function in 2 lines of 1 file\n")
    assert "Set aside as dead letters: 1 file" in surveyed.stdout


def test_the_hint_shows_the_graph(surveyed: Result, invoke: Invoke) -> None:
    command = surveyed.stdout.rstrip().splitlines()[-1].partition("sage ")[2]
    drawn = invoke(*command.split())
    assert drawn.exit_code == 0
    assert drawn.stdout.strip() == sage.demo.build().env.graph().mermaid()


def test_a_question_about_a_folder_is_answered_with_its_source(invoke: Invoke, herbs: str) -> None:
    shown = invoke("demo", "--path", herbs, QUESTION)
    assert shown.exit_code == 0, shown.stderr
    assert "2 passages about 1 module, 1 function\n" in shown.stdout
    answer = " ".join(shown.stdout.partition(QUESTION)[2].split())
    assert answer.startswith(
        f"{ANSWER} [1] Quoted word for word, without a model, from: [1] herbs.water, herbs.py:3 first"
    )
    drawn = invoke(*shown.stdout.rstrip().splitlines()[-1].partition("sage ")[2].split())
    assert "gather" in drawn.stdout


def test_the_server_stays_up_and_says_how_to_ask_it(start: Start, herbs: str) -> None:
    served = start("demo", "--serve", "--path", herbs, "--port", "0")
    assert served.stdout is not None
    command = next(line for line in served.stdout if line.startswith("curl -N"))
    parts = shlex.split(command)
    url, body = parts[2], parts[-1]
    asked = json.loads(body)
    asked["messages"][0]["content"] = QUESTION
    with urlopen(
        Request(url, json.dumps(asked).encode(), {"content-type": "application/json"}), timeout=60
    ) as response:
        lines = [line.removeprefix(b"data: ") for line in response.read().split(b"\n\n") if line]
    assert lines.pop() == b"[DONE]"
    deltas = [choice["delta"] for line in lines for choice in json.loads(line)["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas).startswith(f"{ANSWER} [1]")
    served.send_signal(signal.SIGINT)
    assert served.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--path", "missing"], "missing"),
        (["--path", "."], "--path, ask one, or say --serve"),
        (["--survey", "--serve"], "--survey neither asks nor serves"),
        (["--survey", QUESTION], "--survey neither asks nor serves"),
        (["--llm", "http://127.0.0.1:1/v1"], "--llm URL --model NAME"),
        (["--model", "herb"], "--llm URL --model NAME"),
        (["--llm", "127.0.0.1", "--model", "herb"], "http://"),
        (["--llm", "http://127.0.0.1:1/v1", "--model", "herb"], "herb at http://127.0.0.1:1/v1: it cannot be reached"),
    ],
)
def test_what_cannot_be_is_refused(invoke: Invoke, folder: Path, arguments: list[str], told: str) -> None:
    refused = invoke("demo", *arguments)
    assert refused.exit_code == 2
    assert told in " ".join(refused.stderr.split())


def test_a_port_that_is_taken_is_named(invoke: Invoke, herbs: str) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        refused = invoke("demo", "--serve", "--path", herbs, "--port", str(port))
    assert refused.exit_code == 2
    assert f"cannot listen at port {port}: " in refused.stderr
    assert "--port" in refused.stderr


@pytest.mark.parametrize(("module", "extra"), [("msgspec", "serve"), ("uvicorn", "serve")])
def test_a_missing_extra_is_told_in_a_line(
    invoke: Invoke, herbs: str, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    refused = invoke("demo", "--serve", "--path", herbs)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert f'pip install "sage-streams[{extra}]"' in refused.stderr


def test_without_a_client_the_extra_is_told(invoke: Invoke, herbs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "find_spec", lambda name: None)
    refused = invoke("demo", "--path", herbs, QUESTION)
    assert refused.exit_code == 2
    assert 'pip install "sage-streams[llm]"' in refused.stderr
