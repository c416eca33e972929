"""``sage graph``."""

from pathlib import Path

from tests.cli.conftest import Invoke, Program

PROGRAM = """
    import sage

    env = sage.Environment("seen")
    env.from_iterable([1]).map(str, name="to text", parallelism=2).sink(print, name="show")
"""


def test_as_text(invoke: Invoke, program: Program) -> None:
    result = invoke("graph", program(PROGRAM))
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["from_iterable", "to", "show"]
    assert "to text ×2" in result.stdout


def test_as_mermaid(invoke: Invoke, program: Program) -> None:
    result = invoke("graph", program(PROGRAM) + ":env", "--format", "mermaid")
    assert result.stdout.startswith("flowchart")
    assert "to text" in result.stdout


def test_into_a_file(invoke: Invoke, program: Program, folder: Path) -> None:
    file = program(PROGRAM)
    result = invoke("graph", file, "--format", "mermaid", "-o", "graph.mmd")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (folder / "graph.mmd").read_text(encoding="utf-8") == invoke("graph", file, "--format", "mermaid").stdout


def test_a_file_that_cannot_be_written(invoke: Invoke, program: Program) -> None:
    result = invoke("graph", program(PROGRAM), "-o", "no/such/graph.txt")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: cannot write no/such/graph.txt: No such file or directory\n",
    )


def test_a_program_that_is_not_finished_can_be_seen(invoke: Invoke, program: Program) -> None:
    result = invoke("graph", program("import sage\nenv = sage.Environment('x')\nenv.from_iterable([1])\n"))
    assert (result.exit_code, result.stdout.split()) == (0, ["from_iterable", "(source)"])


def test_a_program_without_operators_says_so(invoke: Invoke, program: Program) -> None:
    result = invoke("graph", program("import sage\nenv = sage.Environment('bare')\n"))
    assert result.exit_code == 2
    assert "program 'bare' has no operators" in result.stderr


def test_it_does_not_run(invoke: Invoke, program: Program) -> None:
    file = program("import sage\nenv = sage.Environment('x')\nenv.from_iterable([1]).sink(print)\n")
    assert invoke("graph", file).stdout.count("\n") == 2
