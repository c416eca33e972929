"""The program: a survey of the functions in a folder of Python source code.

::

    find ─▶ read ─▶ parse ─┬─▶ functions ─┬─▶ by package ─▶ summarise ×2 ─▶ summaries
             ┊        ┊    │              └─▶ pick longest ─▶ longest
             ┊        ┊    └─▶ add lines ─▶ lines
             └┄┄┄┄┄┄┄┄┴┄┄▶ explain ─▶ unreadable         (dead letters of both)
"""

import sysconfig
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sage
from sage.demo.source_code import Function, Module, SourceFile, functions_of, parse, python_files, read
from sage.stream import Collected

__all__ = ["Summary", "Survey", "Unreadable", "build", "environment"]

# How many of the longest functions are kept.
LONGEST = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """What the functions of a package come to.

    Attributes:
        functions: how many there are.
        lines: how long they are together; those of an inner function count for the outer one, too.
        documented: how many have a docstring.
        asynchronous: how many are ``async def``.
        longest: the one with the most lines, the first of equals; `None` if there are no functions.
    """

    functions: int = 0
    lines: int = 0
    documented: int = 0
    asynchronous: int = 0
    longest: Function | None = None

    def with_function(self, function: Function) -> "Summary":
        """The summary with one more function."""
        return self.plus(Summary(1, function.lines, function.is_documented, function.is_async, function))

    def plus(self, other: "Summary") -> "Summary":
        """The summary of both together."""
        return Summary(
            self.functions + other.functions,
            self.lines + other.lines,
            self.documented + other.documented,
            self.asynchronous + other.asynchronous,
            max(filter(None, (self.longest, other.longest)), key=lines_of, default=None),
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be surveyed.

    Attributes:
        path: the file, relative to the folder that is surveyed.
        step: the operator that failed.
        reason: what it raised.
    """

    path: Path
    step: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """The program, and where its results will be when it has run.

    Attributes:
        env: what to run.
        root: the folder that is surveyed.
        summaries: one for each package that has functions.
        longest: a single value: the longest functions of all, the longest first.
        lines: a single value: how many lines were parsed.
        unreadable: the files that were set aside.
    """

    env: sage.Environment
    root: Path
    summaries: Collected[tuple[str, Summary]]
    longest: Collected[tuple[Function, ...]]
    lines: Collected[int]
    unreadable: Collected[Unreadable]


def build(path: str | Path | None = None) -> Survey:
    """Write the program; nothing is read before it runs.

    Args:
        path: the folder to survey; `None` for the standard library of this Python.
    """
    root = Path(sysconfig.get_path("stdlib") if path is None else path)

    # Files are large records. At most 128 lie between two operators; when they do, the reader waits for the parser.
    env = sage.Environment("survey", batch_size=32, channel_capacity=128)

    files = env.from_iterable(partial(python_files, root), name="find")
    texts = files.map(partial(read, root), name="read", blocking=True, concurrency=8, on_error=sage.DeadLetter())
    modules = texts.map(parse, name="parse", on_error=sage.DeadLetter())
    functions = modules.flat_map(functions_of, name="functions")

    summaries = functions.key_by(package_of, name="by package").fold(
        Summary(), Summary.with_function, emit="end", parallelism=2, name="summarise"
    )
    longest = functions.fold((), keep_longest, emit="end", name="pick longest")
    lines = modules.sum(lines_in, emit="end", name="add lines")
    letters = texts.side_output("dead_letters").union(modules.side_output("dead_letters"))

    return Survey(
        env=env,
        root=root,
        summaries=summaries.collect(name="summaries"),
        longest=longest.collect(name="longest"),
        lines=lines.collect(name="lines"),
        unreadable=letters.map(partial(explain, root), name="explain").collect(name="unreadable"),
    )


def environment() -> sage.Environment:
    """The program for the standard library, as ``sage graph`` and ``sage run`` take it."""
    return build().env


def package_of(function: Function) -> str:
    """The key of a function: functions of one package meet in one subtask."""
    return function.package


def lines_in(module: Module) -> int:
    """How long a file is."""
    return module.lines


def lines_of(function: Function) -> int:
    """What makes a function the longest."""
    return function.lines


def keep_longest(longest: tuple[Function, ...], function: Function) -> tuple[Function, ...]:
    """The longest functions, given those so far and another one; of equals the first."""
    if len(longest) == LONGEST and function.lines <= longest[-1].lines:
        return longest
    return tuple(sorted((*longest, function), key=lines_of, reverse=True)[:LONGEST])


def explain(root: Path, letter: sage.Letter) -> Unreadable:
    """Make a dead letter of either step something to show."""
    record = letter.value
    path = record.path if isinstance(record, SourceFile) else record.relative_to(root)
    return Unreadable(path, letter.operator, f"{type(letter.error).__name__}: {letter.error}")
