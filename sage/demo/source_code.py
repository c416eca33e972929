"""Python source code as records: files, the modules parsed from them, and the functions found in those."""

import ast
import asyncio
import os
import tokenize
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Definition",
    "Function",
    "Module",
    "SourceFile",
    "definitions",
    "functions_of",
    "parse",
    "python_files",
    "read",
    "syntax_tree",
]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# Folders with what was installed from elsewhere.
_FOREIGN = ("dist-packages", "site-packages")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The text of a file.

    Attributes:
        path: relative to the folder that is surveyed.
        text: decoded.
    """

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or a method of a class.

    Attributes:
        path: the file, relative to the folder that is surveyed.
        line: where its ``def`` is, from 1.
        name: qualified, as in `__qualname__`: ``Class.method``, ``outer.<locals>.inner``.
        lines: from its ``def`` to its last line, inner functions included, decorators not.
        is_documented: whether it has a docstring.
        is_async: whether it is an ``async def``.
    """

    path: Path
    line: int
    name: str
    lines: int
    is_documented: bool
    is_async: bool

    @property
    def package(self) -> str:
        """What one imports to get it: ``json`` for a function in ``json/decoder.py``, ``os`` for one in ``os.py``."""
        return self.path.parts[0].removesuffix(".py")


@dataclass(frozen=True, slots=True)
class Module:
    """What is kept of a file that was parsed.

    Attributes:
        path: relative to the folder that is surveyed.
        lines: how many it has.
        functions: those in it, wherever they stand.
    """

    path: Path
    lines: int
    functions: tuple[Function, ...]


async def python_files(root: Path) -> AsyncIterator[Path]:
    """The Python files below a folder, but for those of installed packages and in hidden folders.

    Cancel safety: it ends; a thread that lists a folder is left to itself.

    Raises:
        OSError: a folder cannot be listed.
    """
    folders = [root]
    while folders:
        files, below = await asyncio.to_thread(_listed, folders.pop())
        folders += reversed(below)
        for file in files:
            yield file


def read(root: Path, path: Path) -> SourceFile:
    """Read a file below `root`, in the encoding that it declares (PEP 263).

    Raises:
        OSError: it cannot be read.
        SyntaxError: it declares an encoding that Python does not know.
        UnicodeDecodeError: it is in another encoding than it declares.
    """
    with tokenize.open(path) as file:
        return SourceFile(path.relative_to(root), file.read())


def parse(file: SourceFile) -> Module:
    """Parse a file. Its syntax tree, some forty times as large as the text, does not leave this function.

    Raises:
        SyntaxError, ValueError: it is not Python, or not of this version.
    """
    return Module(file.path, _lines_in(file.text), tuple(_functions(syntax_tree(file), file.path)))


def syntax_tree(file: SourceFile) -> ast.Module:
    """The syntax tree of a file.

    Raises:
        SyntaxError, ValueError: it is not Python, or not of this version.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the style of what is read is not ours to judge
        return ast.parse(file.text, str(file.path))


def definitions(tree: ast.Module) -> Iterator[tuple[Definition, str]]:
    """The functions and classes of a module, wherever they stand, with their qualified names."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:  # a stack of its own, because code may be nested deeper than Python recurses
        node, scope = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child, scope + child.name
                waiting.append((child, f"{scope}{child.name}.<locals>."))
            elif isinstance(child, ast.ClassDef):
                yield child, scope + child.name
                waiting.append((child, f"{scope}{child.name}."))
            elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):  # expressions hold no definitions
                waiting.append((child, scope))


def functions_of(module: Module) -> tuple[Function, ...]:
    """The functions of a module."""
    return module.functions


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    files = [Path(entry.path) for entry in entries if entry.name.endswith(".py") and entry.is_file()]
    folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return files, [path for path in folders if path.name not in _FOREIGN and not path.name.startswith(".")]


def _lines_in(text: str) -> int:
    unended = bool(text) and not text.endswith("\n")
    return text.count("\n") + unended  # `splitlines` would also split at form feeds


def _functions(tree: ast.Module, path: Path) -> Iterator[Function]:
    for node, name in definitions(tree):
        if not isinstance(node, ast.ClassDef):
            yield _described(node, name, path)


def _described(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, path: Path) -> Function:
    return Function(
        path=path,
        line=node.lineno,
        name=name,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        is_documented=ast.get_docstring(node, clean=False) is not None,
        is_async=isinstance(node, ast.AsyncFunctionDef),
    )
