"""``sage run``."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from sage.kernel import OperatorStatistics
from tests.cli.conftest import ROOT, Invoke, Program, Start

HELLO = """
    import sage

    env = sage.Environment("hello")
    env.from_iterable(range(10), name="numbers").map(lambda x: x + 1, name="add").sink(print, name="show")

    if __name__ == "__main__":
        sage.run(env)
"""

# Gives records until it is drained, and says when it runs.
ENDLESS = """
    import asyncio
    import sage

    async def numbers():
        number = 0
        while True:
            yield number
            number += 1
            await asyncio.sleep(0.001)

    def say(number):
        if number == 5:
            print("running", flush=True)

    env = sage.Environment("endless")
    env.from_iterable(numbers, name="numbers").sink(say, name="say")
"""

# Never gets done with its first record.
HELD = """
    import asyncio
    import sage

    async def hold(value):
        print("running", flush=True)
        await asyncio.Event().wait()

    env = sage.Environment("held")
    env.from_iterable([1]).map(hold).collect()
"""

FAILING = """
    import sage

    def divide(x):
        return 1 / x

    env = sage.Environment("failing")
    env.from_iterable([1, 0]).map(divide).collect()
"""


# Takes the terminal it was started on, so that what is typed there reaches it as a signal, and runs the file.
ON_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from sage.cli.main import cli
cli(["run", sys.argv[1]])
"""


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def test_runs_once_and_counts(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program(HELLO))
    assert result.exit_code == 0
    assert result.stdout.split() == [str(number) for number in range(1, 11)]
    headline, *lines = result.stderr.splitlines()
    assert headline.startswith("job 'hello' finished, ")
    assert [line.split()[2:7] for line in lines] == [
        ["numbers", "in", "0", "out", "10"],
        ["add", "in", "10", "out", "10"],
        ["show", "in", "10", "out", "0"],
    ]


def test_json_is_the_last_line_of_stdout(invoke: Invoke, program: Program) -> None:
    shown = invoke("run", program(HELLO), "--json", "--quiet")
    assert (shown.exit_code, shown.stderr) == (0, "")
    result = json.loads(shown.stdout.splitlines()[-1])
    assert (result["name"], result["status"], result["restarts"]) == ("hello", "finished", 0)
    assert len(result["id"]) == 12
    assert result["duration"] > 0
    assert list(result["operators"]) == ["numbers", "add", "show"]
    assert result["operators"]["add"].keys() == set(OperatorStatistics._fields)
    assert result["operators"]["add"]["records_in"] == 10


def test_quiet_shows_neither_progress_nor_a_summary(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program(HELLO), "-q")
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_program_does_not_see_the_options(invoke: Invoke, program: Program) -> None:
    file = program("""
        import sys
        import sage

        env = sage.Environment("arguments")
        env.from_iterable([sys.argv]).sink(print)
    """)
    assert invoke("run", file, "--quiet").stdout == "['program.py']\n"


def test_a_function_makes_the_environment_each_time(invoke: Invoke, program: Program) -> None:
    file = program("""
        import sage

        def build():
            env = sage.Environment("made")
            env.from_iterable(iter([1, 2])).sink(print)
            return env
    """)
    assert [invoke("run", f"{file}:build", "-q").stdout for _ in range(2)] == ["1\n2\n"] * 2


def test_a_failing_operator_is_code_1_in_two_lines(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program(FAILING), "--quiet")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: job 'failing': operator 'map(divide)' failed on record 0: ZeroDivisionError: division by zero",
        "  program.py:5, in divide: return 1 / x",
    ]


def test_a_failure_as_json(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program(FAILING), "--quiet", "--json")
    failure = json.loads(result.stdout)
    assert (result.exit_code, failure["name"], failure["status"]) == (1, "failing", "failed")
    assert "division by zero" in failure["error"]


def test_traceback_shows_the_frames(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program(FAILING), "--quiet", "--traceback")
    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert "sage/operators/" in result.stderr
    assert result.stderr.splitlines()[-1] == "  program.py:5, in divide: return 1 / x"


def test_a_program_that_cannot_run_is_code_2(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program("import sage\nenv = sage.Environment('idle')\nenv.from_iterable([1])\n"))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: program 'idle' delivers nothing anywhere; ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_loaded_is_code_2(invoke: Invoke, program: Program) -> None:
    file = program("import sage\n1 / 0\n")
    result = invoke("run", file)
    assert (result.exit_code, "Traceback" in result.stderr) == (2, False)
    result = invoke("run", file, "--traceback")
    assert (result.exit_code, "Traceback" in result.stderr) == (2, True)


@pytest.mark.parametrize("interval", ["0", "-1", "soon"])
def test_the_interval_is_seconds(invoke: Invoke, program: Program, interval: str) -> None:
    assert invoke("run", program(HELLO), "--interval", interval).exit_code == 2


def test_ctrl_c_while_the_file_is_loaded_is_code_130(invoke: Invoke, program: Program) -> None:
    result = invoke("run", program("raise KeyboardInterrupt"))
    assert (result.exit_code, result.stderr) == (130, "Error: cancelled\n")


def test_lines_come_while_it_runs_and_ctrl_c_drains(start: Start, program: Program) -> None:
    process = start("run", program(ENDLESS), "--interval", "0.05", "--json")
    assert pipe(process.stdout).readline() == "running\n"
    assert " numbers  in " in pipe(process.stderr).readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    result = json.loads(out)
    assert (process.returncode, result["status"]) == (0, "finished")
    assert result["operators"]["say"]["records_in"] == result["operators"]["numbers"]["records_out"] > 5
    assert "draining; press Ctrl-C again to cancel\n" in err


def test_sigterm_drains(start: Start, program: Program) -> None:
    process = start("run", program(ENDLESS))
    assert pipe(process.stdout).readline() == "running\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert (process.returncode, "draining" in err) == (0, True)


def test_ctrl_c_twice_cancels(start: Start, program: Program) -> None:
    process = start("run", program(HELD), "--json", "--interval", "3600")  # nothing else is said meanwhile
    assert pipe(process.stdout).readline() == "running\n"
    process.send_signal(signal.SIGINT)
    assert "draining" in pipe(process.stderr).readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, json.loads(out)["status"]) == (130, "cancelled")
    assert err.startswith("cancelling; ")
    assert "job 'held' cancelled, " in err
    assert err.splitlines()[-1] == "Error: job 'held': it was cancelled before it had finished"


def test_on_a_terminal_there_is_a_table_and_ctrl_c_is_typed(program: Program, folder: Path) -> None:
    own, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_TERMINAL, program(ENDLESS)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    )
    os.close(child)
    with process:
        shown = read_until(own, "Ctrl-C drains the job", "running\r\n")  # whichever comes first
        os.write(own, b"\x03")
        shown += read_until(own, "job 'endless' finished, ") + read_until(own)
    os.close(own)
    assert process.returncode == 0
    assert "\x1b[?25h" in shown  # the cursor is back
    assert shown.rstrip().splitlines()[-1].startswith("say ")


def read_until(terminal: int, *words: str) -> str:
    """What is shown until all these words are there; without any, to the end."""
    shown = b""
    while not words or not all(each.encode() in shown for each in words):
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how the end of a terminal is told
            part = b""
        if not part:
            assert not words, f"{words} were not shown, but {shown.decode()!r}"
            break
        shown += part
    return shown.decode(errors="replace")  # it may end within a character
