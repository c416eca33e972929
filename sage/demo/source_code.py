"""Python source code as records: files, the modules parsed from them, and the functions found in those."""

import ast
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Function", "Module", "SourceFile", "functions_of", "parse", "read"]


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
class Module:
    """A file as the parser sees it.

    Attributes:
        path: relative to the folder that is surveyed.
        tree: its syntax tree.
    """

    path: Path
    tree: ast.Module


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
        """The package, or the module that is in none, as one imports it: ``json`` of ``json/decoder.py``, ``os`` of ``os.py``."""
        return self.path.parts[0].removesuffix(".py")


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
    """Parse a file.

    Raises:
        SyntaxError, ValueError: it is not Python, or not of this version.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the style of what is read is not ours to judge
        return Module(file.path, ast.parse(file.text, str(file.path)))


def functions_of(module: Module) -> Iterator[Function]:
    """Every ``def`` and ``async def`` of a module, wherever it stands: in classes, other functions, conditions and loops."""
    waiting: list[tuple[ast.AST, str]] = [(module.tree, "")]
    while waiting:  # a stack of its own, because code may be nested deeper than Python recurses
        node, scope = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield _described(child, scope + child.name, module.path)
                waiting.append((child, f"{scope}{child.name}.<locals>."))
            elif isinstance(child, ast.ClassDef):
                waiting.append((child, f"{scope}{child.name}."))
            elif isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):  # functions are never within expressions
                waiting.append((child, scope))


def _described(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, path: Path) -> Function:
    return Function(
        path=path,
        line=node.lineno,
        name=name,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        is_documented=ast.get_docstring(node, clean=False) is not None,
        is_async=isinstance(node, ast.AsyncFunctionDef),
    )
