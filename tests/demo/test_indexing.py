"""What is in the index, compared with what importing the same modules finds."""

import argparse
import fractions
import inspect
import shlex
import sysconfig
import textwrap
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import sage
from sage.demo.indexing import Indexing, build, environment
from tests.demo.library import copied, documented

MODULES = [argparse, fractions, shlex, textwrap]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Indexing:
    """The index of a few modules of the standard library, and of some files that give nothing."""
    folder = copied([f"{module.__name__}.py" for module in MODULES], tmp_path_factory.mktemp("library"))
    others = {
        "_private.py": '"""Private."""',
        "test/test_it.py": '"""A test."""',
        "notes.txt": "",
        "broken.py": "def (:",
    }
    for name, text in others.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    indexing = build(folder)
    sage.run(indexing.env)
    return indexing


def test_there_is_as_much_of_each_kind_as_the_interpreter_knows(indexed: Indexing) -> None:
    things = [thing for module in MODULES for thing in documented(module).values()]
    expected = Counter("class" if inspect.isclass(thing) else "function" for thing in things)
    assert expected["function"] > 30
    assert dict(indexed.kinds) == {"module": sum(1 for module in MODULES if module.__doc__), **expected}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_that_is_documented_is_found(indexed: Indexing, module: ModuleType) -> None:
    library = indexed.library
    for name, thing in documented(module).items():
        found = [one.passage for one in library.search(f"{name} {inspect.getdoc(thing)}", limit=10)]
        (first, *_) = (passage for passage in found if passage.title == name)
        assert all(paragraph in (inspect.getdoc(thing) or "") for paragraph in first.text.split("\n\n"))


def test_files_that_are_no_python_are_set_aside(indexed: Indexing) -> None:
    assert [(letter.operator, letter.value.path) for letter in indexed.unreadable] == [("parse", Path("broken.py"))]


def test_without_a_folder_it_is_about_the_standard_library() -> None:
    assert build().root == Path(sysconfig.get_path("stdlib"))
    assert environment().graph().text() == build().env.graph().text()


async def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    indexing = build(tmp_path)
    await indexing.env.run()
    assert (len(indexing.library), indexing.kinds.values) == (0, [])
