"""The outcomes as tables for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.outcome import Outcome

__all__ = ["print_outcome", "write_json"]


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Show the figures, and for each goal whether it is kept."""
    console.print()
    console.print(Text.assemble((outcome.name, "bold"), f": {outcome.title}"))
    console.print(Text(f"floor: {outcome.floor}", style="dim"))
    console.print(_table(outcome))
    for line in _verdicts(outcome):
        console.print(line)
    for note in outcome.notes:
        console.print(Text(f"  {note}", style="dim"))


def _table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in outcome.columns:
        is_number = bool(column.form)
        table.add_column(column.header, justify="right" if is_number else "left", no_wrap=is_number)
    for row in outcome.rows:
        style = "bold" if str(row["way"]).startswith("sage") else ""
        table.add_row(*(column.show(row) for column in outcome.columns), style=style)
    return table


def _verdicts(outcome: Outcome) -> list[Text]:
    lines = []
    for goal, row, column in outcome.judged():
        kept = goal.holds(row)
        mark = ("  kept   ", "green") if kept else ("  missed ", "red")
        where = ", ".join(
            str(value) if key == "way" else f"{key} {value}" for key, value in goal.where.items() if value != "sage"
        )
        of = f" ({where})" if where else ""
        lines.append(Text.assemble(mark, f"{column.header}{of}: {column.show(row)}, goal {goal.bound}"))
    return lines


def write_json(path: Path, machine: Mapping[str, Any], options: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write the machine, the options and all figures.

    Raises:
        OSError: the file cannot be written.
    """
    document = {"machine": machine, "options": options, "outcomes": [_as_json(outcome) for outcome in outcomes]}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    goals = [
        {**goal.where, "figure": goal.key, "goal": goal.bound, "value": row[goal.key], "kept": goal.holds(row)}
        for goal, row, _ in outcome.judged()
    ]
    return {
        "name": outcome.name,
        "title": outcome.title,
        "floor": outcome.floor,
        "rows": [dict(row) for row in outcome.rows],
        "goals": goals,
        "columns": [asdict(column) for column in outcome.columns],
        "notes": list(outcome.notes),
    }
