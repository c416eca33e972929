"""What a benchmark has found: rows of figures, the goals they are held against, and how they are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Chart", "Column", "Goal", "Outcome", "Row", "Value"]

Value = str | int | float
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Column:
    """A figure that the rows have.

    Args:
        key: its name in the rows and in JSON, with its unit.
        header: its name in the table.
        form: a format specification, such as ``",.0f"``; empty for text.
    """

    key: str
    header: str
    form: str = ""

    def show(self, row: Row) -> str:
        """The figure as text; empty if this row has none."""
        value = row.get(self.key)
        return "" if value is None else format(value, self.form)


@dataclass(frozen=True)
class Goal:
    """A bound that one figure should keep.

    Args:
        where: what the row has to have.
        key: the column.
        least: the figure should be at least this.
        most: the figure should be at most this.
    """

    where: Row
    key: str
    least: float | None = None
    most: float | None = None

    def is_about(self, row: Row) -> bool:
        """Whether this row's figure is meant."""
        return self.key in row and self.where.items() <= row.items()

    def holds(self, row: Row) -> bool:
        """Whether the row's figure keeps the bound."""
        figure = float(row[self.key])
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)

    @property
    def bound(self) -> str:
        """The bound as text."""
        parts = [f"≥ {self.least:g}"] if self.least is not None else []
        return " and ".join([*parts, f"≤ {self.most:g}"] if self.most is not None else parts)


@dataclass(frozen=True)
class Chart:
    """How an outcome is drawn: one bar a row.

    Args:
        key: the column that the bars show.
        axis: what the axis says, with the unit.
        label: what names a bar: a format string with the keys of its row.
        reference: where a line marks the floor, if it has a place on this axis.
    """

    key: str
    axis: str
    label: str = "{way}"
    reference: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The figures of one benchmark, or of one part of it.

    Args:
        name: the benchmark, and its part if it has several: ``"async_map unordered"``.
        title: what is measured, in a few words.
        floor: what the floor is, in a few words.
        columns: the figures, in the order they are shown.
        rows: one for each way of doing the work; `way` names it, and sage's own begin with ``"sage"``.
        chart: how it is drawn.
        goals: what the figures are held against.
        notes: what else the reader has to know, such as peers that are not installed.
    """

    name: str
    title: str
    floor: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    chart: Chart
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def judged(self) -> list[tuple[Goal, Row, Column]]:
        """Every goal with the row and the column it is about."""
        columns = {column.key: column for column in self.columns}
        return [(goal, row, columns[goal.key]) for goal in self.goals for row in self.rows if goal.is_about(row)]
