"""Docstrings found by parsing, compared with those that the interpreter has."""

import argparse
import email.message
import importlib
import inspect
import linecache
import shlex
import statistics
import string
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from sage.demo.docstrings import Docstring, as_document, docstrings_of, is_public
from sage.demo.source_code import SourceFile, read
from tests.demo.library import STDLIB, documented

MODULES = [argparse, email.message, shlex, string, textwrap]


def found_in(text: str, path: str = "package/module.py") -> list[Docstring]:
    return docstrings_of(SourceFile(Path(path), text))


def of_module(module: ModuleType) -> list[Docstring]:
    return docstrings_of(read(STDLIB, Path(inspect.getfile(module))))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_they_are_those_of_the_interpreter(module: ModuleType) -> None:
    expected = documented(module)
    found = {docstring.name: docstring for docstring in of_module(module) if docstring.kind != "module"}
    assert found.keys() == expected.keys()
    assert found
    for name, thing in expected.items():
        assert found[name].text == inspect.getdoc(thing)
        assert found[name].kind == ("class" if inspect.isclass(thing) else "function")


@pytest.mark.parametrize("module", [statistics, string, textwrap, email.message], ids=lambda module: module.__name__)
def test_a_module_is_documented_itself(module: ModuleType) -> None:
    first = of_module(module)[0]
    assert (first.kind, first.name, first.line) == ("module", module.__name__, 1)
    assert first.text == inspect.getdoc(module)


def test_a_line_is_that_of_the_definition() -> None:
    for docstring in of_module(textwrap)[1:]:
        line = linecache.getline(str(STDLIB / docstring.path), docstring.line)
        assert line.split("(")[0].split(":")[0].split() == [
            "class" if docstring.kind == "class" else "def",
            docstring.name.split(".")[-1],
        ]


def test_help_topics_are_found() -> None:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    found = docstrings_of(read(STDLIB, STDLIB / "pydoc_data/topics.py"))
    assert {docstring.name: docstring.text for docstring in found} == {f"help({key!r})": topics[key] for key in topics}
    assert {docstring.kind for docstring in found} == {"help topic"}
    (topic,) = (docstring for docstring in found if docstring.name == "help('for')")
    assert 'The "for" statement' in "".join(linecache.getlines(str(STDLIB / topic.path))[topic.line - 1 :][:2])


def test_what_is_private_or_local_is_left_out() -> None:
    text = '''\
"""The module."""
class Shown:
    """A class."""
    def __len__(self):
        """A special method."""
    def _hidden(self):
        """Private."""
    class _Hidden:
        def method(self):
            """In a private class."""
if True:
    async def conditional():
        """Under a condition."""
        def local():
            """Local."""
def undocumented(): ...
'''
    found = [(docstring.kind, docstring.name, docstring.line) for docstring in found_in(text)]
    assert sorted(found) == [
        ("class", "package.module.Shown", 2),
        ("function", "package.module.Shown.__len__", 4),
        ("function", "package.module.conditional", 12),
        ("module", "package.module", 1),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [("os.py", "os"), ("json/__init__.py", "json"), ("json/decoder.py", "json.decoder"), ("__init__.py", "__init__")],
)
def test_the_name_is_what_one_imports(path: str, name: str) -> None:
    assert [docstring.name for docstring in found_in("'Documented.'", path)] == [name]


def test_a_file_that_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        found_in("def broken(:")


def test_a_document_tells_where_it_is_from_and_has_no_examples() -> None:
    docstring = Docstring("function", "a.f", Path("a.py"), 7, "One.\n\n>>> f()\n1\n\nTwo >> three.\n  \n    >>> f()\n")
    document = as_document(docstring)
    assert (document.text, document.source, document.title) == ("One.\n\nTwo >> three.", "a.py:7", "a.f")


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("os.py", True),
        ("json/__init__.py", True),
        ("__future__.py", True),
        ("importlib/_bootstrap.py", False),
        ("_pydecimal.py", False),
        ("_internal/module.py", False),
        ("test/support.py", False),
        ("unittest/test/test_case.py", False),
        ("unittest/case.py", True),
        ("tkinter/test.py", False),
    ],
)
def test_files_for_users(path: str, public: bool) -> None:
    assert is_public(Path(path)) is public
