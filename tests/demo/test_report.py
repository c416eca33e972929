"""What is shown of a survey."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sage.demo import Survey, build, report
from sage.demo.report import SHOWN
from sage.jobs import JobResult

LONG = "a_function_with_a_name_that_is_too_long_for_any_terminal_" * 3


def printed(survey: Survey, result: JobResult, *, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(report(survey, result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def section(text: str, title: str) -> str:
    """What stands below a title, up to the next empty line."""
    return text.partition(f"\n{title}\n")[2].partition("\n\n")[0]


def cells(text: str, first: str) -> list[str]:
    """The cells of the only row that begins with `first`."""
    (row,) = (line.split() for line in text.splitlines() if line.strip().startswith(f"{first} "))
    return row


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two packages, and a file that is no Python."""
    files = {
        "one/a.py": "async def a():\n    'Documented.'\n\n\ndef b():\n    0\n    0\n",
        "two.py": f"class C:\n    def {LONG}(self):\n        0\n",
        "[bold].py": "def broken(:\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


async def test_everything_is_shown(folder: Path) -> None:
    survey = build(folder)
    text = printed(survey, await survey.env.run())
    assert text.startswith("3 functions in 10 lines of 2 files\nbelow ")
    assert cells(text, "one") == ["one", "2", "1", "50%", "2.5", "3"]
    assert cells(text, "two") == ["two", "1", "0", "0%", "2.0", "2"]
    assert cells(text, "all") == ["all", "3", "1", "33%", "2.3", "3"]
    assert cells(section(text, "The longest functions"), "3") == ["3", "one/a.py:5", "b"]
    assert "Set aside as dead letters: 1 file\n" in text
    assert cells(text, "[bold].py")[1:3] == ["parse", "SyntaxError:"]
    assert cells(section(text, "What each operator did"), "functions")[:3] == ["functions", "2", "3"]
    assert "summarise ×2  ◀─ by package (hash)" in text


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_it_keeps_within_the_terminal(folder: Path, width: int) -> None:
    survey = build(folder)
    text = printed(survey, await survey.env.run(), width=width)
    assert max(map(len, text.partition("The longest functions")[2].splitlines())) <= width
    (row,) = (line for line in section(text, "The longest functions").splitlines() if "C.a_function" in line)
    assert row.rstrip().endswith("…")


async def test_small_packages_are_taken_together(tmp_path: Path) -> None:
    for number in range(SHOWN + 3):
        (tmp_path / f"m{number:02}.py").write_text("def f(): 0\n" * (100 - number), encoding="utf-8")
    survey = build(tmp_path)
    text = printed(survey, await survey.env.run())
    assert cells(text, "m00")[1] == "100"
    assert cells(text, "3 more") == ["3", "more", str(100 - SHOWN + 99 - SHOWN + 98 - SHOWN), "0", "0%", "1.0", "1"]
    assert f"m{SHOWN:02}" not in section(text, "Packages with the most functions")


async def test_only_some_unreadable_files_are_named(tmp_path: Path) -> None:
    for number in range(SHOWN + 2):
        (tmp_path / f"m{number:02}.py").write_text("def f(:\n", encoding="utf-8")
    survey = build(tmp_path)
    text = printed(survey, await survey.env.run())
    assert f"Set aside as dead letters: {SHOWN + 2} files\n" in text
    assert cells(text, "2") == ["2", "more"]


async def test_an_empty_folder_is_reported_without_tables(tmp_path: Path) -> None:
    survey = build(tmp_path)
    text = printed(survey, await survey.env.run())
    assert text.startswith("0 functions in 0 lines of 0 files\n")
    assert "Packages" not in text
    assert "longest functions" not in text
    assert "dead letters" not in text
