"""The survey's numbers, compared with those of a plain loop that finds them in another way."""

import ast
import sysconfig
import warnings
from collections import defaultdict
from pathlib import Path

import pytest

import sage
from sage.demo import Survey, build
from sage.demo.survey import LONGEST, environment

STDLIB = Path(sysconfig.get_path("stdlib"))

FILES = {
    "alone.py": b"def alone():\n    'Documented.'\n\n\n\nasync def other(): ...\n",
    "package/__init__.py": b"",
    "package/classes.py": b"class A:\n    'Not a function.'\n    def f(self):\n        'Short.'\n        def g(): 0\n",
    "package/below/latin.py": "# -*- coding: latin-1 -*-\ndef größe():\n    'Für später.'\n".encode("latin-1"),
    "package/below/mark.py": "def marked():\r\n    pass\r\n".encode("utf-8-sig"),
    "package/warns.py": b"def warns():\n    return '\\d' is '\\w'\n",
}
DEAD = {
    "dead/bytes.py": (b"def f():\n    0\n    '\xff'\n", "read", "UnicodeDecodeError"),
    "dead/encoding.py": (b"# coding: no-such-one\ndef f(): 0\n", "read", "SyntaxError"),
    "dead/syntax.py": (b"def f(:\n", "parse", "SyntaxError"),
}
OTHERS = {
    ".hidden/f.py": b"def f(): 0\n",
    "lib/site-packages/f.py": b"def f(): 0\n",
    "notes.txt": b"def f(): 0\n",
    "package/dist-packages/f.py": b"def f(): 0\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all that makes files hard to read."""
    for name, content in (FILES | OTHERS | {name: content for name, (content, *_) in DEAD.items()}).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


Numbers = tuple[int, int, int, int, int]


def by_plain_loop(root: Path, files: list[Path]) -> dict[str, Numbers]:
    """Functions, lines, documented, asynchronous and the most lines, by package. Python decodes, `ast.walk` finds."""
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            nodes = ast.walk(ast.parse(path.read_bytes()))
            functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            if functions:
                found[path.relative_to(root).parts[0].split(".")[0]] += functions
    return {package: numbers(functions) for package, functions in found.items()}


def numbers(functions: list[ast.FunctionDef | ast.AsyncFunctionDef]) -> Numbers:
    lengths = [(node.end_lineno or 0) - node.lineno + 1 for node in functions]
    documented = sum(1 for node in functions if ast.get_docstring(node) is not None)
    asynchronous = sum(1 for node in functions if isinstance(node, ast.AsyncFunctionDef))
    return len(functions), sum(lengths), documented, asynchronous, max(lengths)


def by_survey(survey: Survey) -> dict[str, Numbers]:
    return {
        package: (
            summary.functions,
            summary.lines,
            summary.documented,
            summary.asynchronous,
            summary.longest.lines if summary.longest else 0,
        )
        for package, summary in survey.summaries
    }


async def test_the_numbers_are_those_of_a_plain_loop(folder: Path) -> None:
    survey = build(folder)
    await survey.env.run()
    found = by_survey(survey)
    assert found == by_plain_loop(folder, [folder / name for name in FILES])
    assert found == {"alone": (2, 3, 1, 1, 2), "package": (5, 10, 2, 0, 3)}
    assert len(survey.summaries) == len(found)


async def test_the_numbers_of_a_package_of_the_standard_library() -> None:
    root = Path(sysconfig.get_path("stdlib")) / "json"
    files = list(root.glob("**/*.py"))
    survey = build(root)
    result = await survey.env.run()
    assert by_survey(survey) == by_plain_loop(root, files)
    assert survey.lines.values == [sum(len(file.read_bytes().splitlines()) for file in files)]
    assert result.operators["functions"].records_in == len(files) > 3
    assert survey.unreadable.values == []


async def test_what_cannot_be_read_or_parsed_is_set_aside(folder: Path) -> None:
    survey = build(folder)
    result = await survey.env.run()
    dead = {file.path.as_posix(): (file.step, file.reason.split(":")[0]) for file in survey.unreadable}
    assert dead == {name: (step, error) for name, (_, step, error) in DEAD.items()}
    assert len(survey.unreadable) == len(DEAD)
    assert result.operators["find"].records_out == len(FILES) + len(DEAD)
    assert result.operators["functions"].records_in == len(FILES)
    assert survey.lines.values == [6 + 0 + 5 + 3 + 2 + 2]


async def test_the_longest_functions_come_first(tmp_path: Path) -> None:
    lengths = [2, 9, 4, 7, 3, 8, 5, 6]
    for length in lengths:
        (tmp_path / f"m{length}.py").write_text(f"def f{length}():\n" + "    0\n" * (length - 1), encoding="utf-8")
    survey = build(tmp_path)
    await survey.env.run()
    (longest,) = survey.longest
    assert [(function.name, function.lines) for function in longest] == [
        (f"f{length}", length) for length in sorted(lengths, reverse=True)[:LONGEST]
    ]


async def test_of_equally_long_functions_the_first_one_is_shown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("".join(f"def {name}{i}(): 0\n" for i in range(LONGEST)), encoding="utf-8")
    survey = build(tmp_path)
    await survey.env.run()
    (longest,) = survey.longest
    assert [function.name for function in longest] == [f"a{i}" for i in range(LONGEST)]
    assert {package: summary.longest and summary.longest.name for package, summary in survey.summaries} == {
        "a": "a0",
        "b": "b0",
    }


async def test_an_empty_folder_has_no_functions(tmp_path: Path) -> None:
    survey = build(tmp_path)
    await survey.env.run()
    assert (survey.summaries.values, survey.longest.values, survey.lines.values) == ([], [()], [0])


async def test_a_folder_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    with pytest.raises(sage.JobFailed, match=r"'find' failed: FileNotFoundError.*missing"):
        await build(tmp_path / "missing").env.run()


def test_without_a_folder_it_is_about_the_standard_library() -> None:
    assert build().root == Path(sysconfig.get_path("stdlib"))
    assert environment().graph().text() == build().env.graph().text()
