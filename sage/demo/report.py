"""What a survey has found, and what was read for answers, for a person at a terminal."""

from collections.abc import Iterable
from functools import reduce

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sage.demo.indexing import Indexing
from sage.demo.survey import Summary, Survey
from sage.environment import Environment
from sage.jobs import JobResult

__all__ = ["graphs", "indexed", "report"]

# How many packages, and how many unreadable files, are shown one by one.
SHOWN = 12


def report(survey: Survey, result: JobResult) -> RenderableType:
    """What the survey found, what each operator did, and the graph; to be printed by a rich console.

    Args:
        survey: the program, after its run.
        result: how the run went.
    """
    sections = [
        ("Packages with the most functions", _packages(survey)),
        ("The longest functions", _longest(survey)),
        (f"Set aside as dead letters: {_count(len(survey.unreadable), 'file')}", _unreadable(survey)),
        ("What each operator did", _operators(result)),
        ("The graph", Text(survey.env.graph().text(), no_wrap=True)),
    ]
    shown = (_section(title, body) for title, body in sections if body is not None)
    return Group(_headline(survey, result), *shown)


def indexed(indexing: Indexing, result: JobResult) -> RenderableType:
    """What was read, and what each operator did; to be printed by a rich console.

    Args:
        indexing: the program, after its run.
        result: how the run went.
    """
    kinds = dict(indexing.kinds)
    plurals = (("module", "modules"), ("class", "classes"), ("function", "functions"), ("help topic", "help topics"))
    about = [f"{kinds[kind]:,} {kind if kinds[kind] == 1 else plural}" for kind, plural in plurals if kind in kinds]
    files = _count(result.operators["read"].records_in, "file")
    unreadable = f", {_count(len(indexing.unreadable), 'file')} set aside" if len(indexing.unreadable) else ""
    headline = Text.assemble(
        (f"{_count(len(indexing.library), 'passage')} about {', '.join(about) or 'nothing'}", "bold"),
        f"\nfrom {files} below {indexing.root}\nin {result.duration:.1f} s{unreadable}",
    )
    return Group(headline, _section("What each operator did", _operators(result)))


def graphs(*programs: Environment) -> RenderableType:
    """The graphs of programs; to be printed by a rich console."""
    return Group(*(_section(f"The graph of {env.name!r}", Text(env.graph().text(), no_wrap=True)) for env in programs))


def _headline(survey: Survey, result: JobResult) -> Text:
    parsed = result.operators["functions"]
    files, functions = parsed.records_in, parsed.records_out
    found = f"{_count(functions, 'function')} in {_count(sum(survey.lines), 'line')} of {_count(files, 'file')}"
    rates = f"{files / result.duration:,.0f} files and {functions / result.duration:,.0f} functions a second"
    return Text.assemble((found, "bold"), f"\nbelow {survey.root}\nin {result.duration:.1f} s: {rates}")


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group("", Text(title, style="bold"), Padding(body, (0, 0, 0, 2), expand=False))


def _packages(survey: Survey) -> Table | None:
    ranked = sorted(survey.summaries, key=lambda entry: (-entry[1].functions, entry[0]))
    if not ranked:
        return None
    table = _table("package", "functions", "async", "documented", "mean lines", "longest", numbers=range(1, 6))
    for package, summary in ranked[:SHOWN]:
        table.add_row(_cut(package), *_figures(summary))
    if others := ranked[SHOWN:]:
        table.add_row(f"{len(others):,} more", *_figures(_together(others)), style="dim")
    table.add_row("all", *_figures(_together(ranked)), style="bold")
    return table


def _together(summaries: Iterable[tuple[str, Summary]]) -> Summary:
    return reduce(Summary.plus, (summary for _, summary in summaries))


def _figures(summary: Summary) -> list[str]:
    return [
        f"{summary.functions:,}",
        f"{summary.asynchronous:,}",
        f"{summary.documented / summary.functions:.0%}",
        f"{summary.lines / summary.functions:.1f}",
        f"{summary.longest.lines:,}" if summary.longest else "",
    ]


def _longest(survey: Survey) -> Table | None:
    functions = [function for longest in survey.longest for function in longest]
    if not functions:
        return None
    table = _table("lines", "where", "function", numbers=[0], gives_way=2)
    for function in functions:
        table.add_row(f"{function.lines:,}", Text(f"{function.path.as_posix()}:{function.line}"), _cut(function.name))
    return table


def _unreadable(survey: Survey) -> Table | None:
    if not survey.unreadable.values:
        return None
    table = _table("file", "failed at", "because of", gives_way=2)
    for file in survey.unreadable.values[:SHOWN]:
        table.add_row(Text(file.path.as_posix()), file.step, _cut(file.reason))
    if (hidden := len(survey.unreadable) - SHOWN) > 0:
        table.add_row(f"{hidden:,} more", style="dim")
    return table


def _operators(result: JobResult) -> RenderableType:
    table = _table("operator", "in", "out", "busy", "blocked", numbers=range(1, 5))
    for name, done in result.operators.items():
        title = f"{name} ×{done.parallelism}" if done.parallelism > 1 else name
        table.add_row(
            _cut(title), f"{done.records_in:,}", f"{done.records_out:,}", f"{done.busy:.2f} s", f"{done.blocked:.2f} s"
        )
    meaning = "busy: at work in the event loop · blocked: waiting for room downstream"
    return Group(table, Text(meaning, style="dim"))


def _table(*columns: str, numbers: Iterable[int] = (), gives_way: int = 0) -> Table:
    """A table without lines but under its head.

    Args:
        columns: their titles.
        numbers: which of them hold numbers.
        gives_way: which of them becomes narrower where the terminal is; its cells are made by `_cut`.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    right = set(numbers)
    for index, title in enumerate(columns):
        table.add_column(title, justify="right" if index in right else "left", no_wrap=index != gives_way)
    return table


def _cut(text: str) -> Text:
    """A cell that is cut, rather than broken into lines, where the terminal is too narrow for it."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
