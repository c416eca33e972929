"""What Python files tell of themselves: the docstrings in them, and the help on the language."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from sage.demo.source_code import SourceFile, definitions, syntax_tree
from sage.operators.llm import Document

__all__ = ["Docstring", "Kind", "as_document", "docstrings_of", "is_public"]

Kind = Literal["module", "class", "function", "help topic"]

# What `help("for")` and the like show: chapters of the language reference, as a dictionary of texts.
_TOPICS = Path("pydoc_data/topics.py")
_TESTS = ("test", "tests", "idle_test")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What is told of something.

    Attributes:
        kind: of what; methods are functions.
        name: of what, from its module on: ``json.decoder.JSONDecoder.decode``, ``help('for')``.
        path: the file, relative to the folder that is read.
        line: where that is defined, from 1.
        text: without the white space that indents it.
    """

    kind: Kind
    name: str
    path: Path
    line: int
    text: str


def docstrings_of(file: SourceFile) -> list[Docstring]:
    """The docstrings of a module and of all that is public in it, and what else it tells.

    Raises:
        SyntaxError, ValueError: it is not Python, or not of this version.
    """
    tree = syntax_tree(file)
    told = _topics(tree) if file.path == _TOPICS else _docstrings(tree, _module_name(file.path))
    return [Docstring(kind, name, file.path, line, text) for kind, name, line, text in told]


def as_document(docstring: Docstring) -> Document:
    """A docstring as what can be split and found. Examples are left out: they are no sentences.

    Its source says where it is from, ``functools.py:479``.
    """
    prose = [text for text in _PARAGRAPHS.split(docstring.text) if ">>> " not in text]
    return Document("\n\n".join(prose), f"{docstring.path.as_posix()}:{docstring.line}", docstring.name)


def is_public(path: Path) -> bool:
    """Whether a file, given relative to the folder that is read, is for users, and not for tests."""
    return not any(_is_private(part) or part in _TESTS for part in path.with_suffix("").parts)


def _docstrings(tree: ast.Module, module: str) -> Iterator[tuple[Kind, str, int, str]]:
    if text := ast.get_docstring(tree):
        yield "module", module, 1, text
    for node, name in definitions(tree):
        text = ast.get_docstring(node)
        if text and not any(map(_is_private, name.split("."))):
            yield "class" if isinstance(node, ast.ClassDef) else "function", f"{module}.{name}", node.lineno, text


def _topics(tree: ast.Module) -> Iterator[tuple[Kind, str, int, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                topic, text = ast.literal_eval(cast(ast.expr, key)), ast.literal_eval(value)
                yield "help topic", f"help({topic!r})", value.lineno, text


def _is_private(name: str) -> bool:
    """Whether a name is: ``_name`` and what is local to a function, but not ``__init__``."""
    return name == "<locals>" or (name.startswith("_") and not name.endswith("__"))


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
