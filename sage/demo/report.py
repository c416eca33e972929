"""What a survey has found, for a person at a terminal."""

from collections.abc import Iterable
from functools import reduce

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sage.demo.source_code import Function
from sage.demo.survey import Summary, Survey
from sage.jobs import JobResult

__all__ = ["report"]

# How many packages, and how many unreadable files, are shown one by one.
SHOWN = 12


def report(survey: Survey, result: JobResult, *, hint: str = "") -> RenderableType:
    """What the survey found, what each operator did, and the graph; to be printed by a rich console.

    Args:
        survey: the program, after its run.
        result: how the run went.
        hint: what to do next, for the last line.
    """
    sections = [
        ("Packages with the most functions", _packages(survey)),
        ("The longest functions", _longest(survey)),
        (f"Set aside as dead letters: {_count(len(survey.unreadable), 'file')}", _unreadable(survey)),
        ("What each operator did", _operators(result)),
        ("The graph", Text(survey.env.graph().text(), no_wrap=True)),
    ]
    return Group(
        _headline(survey, result),
        *(_section(title, body) for title, body in sections if body is not None),
        *([Text(f"\n{hint}", style="dim")] if hint else []),
    )


def _headline(survey: Survey, result: JobResult) -> Text:
    files, functions = (result.operators[name].records_out for name in ("parse", "functions"))
    rates = f"{files / result.duration:,.0f} files and {functions / result.duration:,.0f} functions a second"
    found = f"{_count(functions, 'function')} in {_count(files, 'file')} below {survey.root}"
    return Text.assemble((found, "bold"), f"\n{result.duration:.1f} s, {rates}")


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group("", Text(title, style="bold"), Padding(body, (0, 0, 0, 2)))


def _packages(survey: Survey) -> Table | None:
    ranked = sorted(survey.summaries, key=lambda entry: (-entry[1].functions, entry[0]))
    if not ranked:
        return None
    table = _table("package", "functions", "async", "documented", "mean lines", "longest", numbers=range(1, 6))
    for package, summary in ranked[:SHOWN]:
        table.add_row(package, *_figures(summary))
    if others := ranked[SHOWN:]:
        table.add_row(f"{len(others):,} more", *_figures(_together(others)), style="dim")
    table.add_section()
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
    table = _table("lines", "function", "where", numbers=[0])
    for function in functions:
        table.add_row(f"{function.lines:,}", function.name, _place(function))
    return table


def _place(function: Function) -> str:
    return f"{function.path.as_posix()}:{function.line}"


def _unreadable(survey: Survey) -> Table | None:
    if not survey.unreadable.values:
        return None
    table = _table("file", "failed at", "because of")
    for file in survey.unreadable.values[:SHOWN]:
        table.add_row(file.path.as_posix(), file.step, file.reason)
    if (hidden := len(survey.unreadable) - SHOWN) > 0:
        table.add_row(f"{hidden:,} more", "", "", style="dim")
    return table


def _operators(result: JobResult) -> Table:
    table = _table("operator", "in", "out", "at work", "held up", numbers=range(1, 5))
    for name, done in result.operators.items():
        title = f"{name} ×{done.parallelism}" if done.parallelism > 1 else name
        table.add_row(title, *(f"{n:,}" for n in (done.records_in, done.records_out)), f"{done.busy:.2f} s", f"{done.blocked:.2f} s")
    return table


def _table(*columns: str, numbers: Iterable[int] = ()) -> Table:
    """A table without lines but under its head; what is too wide for the terminal is cut with an ellipsis.

    Args:
        columns: their titles.
        numbers: which of them hold numbers.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    right = set(numbers)
    for index, title in enumerate(columns):
        table.add_column(title, justify="right" if index in right else "left", no_wrap=True, overflow="ellipsis")
    return table


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
