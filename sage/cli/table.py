"""The table of a running job.

Laid out by hand in a single `Text`: a `rich.table.Table` measures every cell each time, which costs ten times as much,
and this is drawn while the job runs on the same core.
"""

from collections.abc import Callable
from typing import NamedTuple

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from sage.cli.measure import JobProgress, OperatorProgress

__all__ = ["JobTable", "count", "percent"]

# An operator that is at work, or held back, for more than this share of its time is worth a look.
_STRIKING = 0.8
_GAP = "  "
_NAME_WIDTH = 12


class _Column(NamedTuple):
    title: str
    width: int
    cell: Callable[[OperatorProgress], str]
    style: Callable[[OperatorProgress], str]


class JobTable:
    """Something for a rich console to print: a headline, and a line for each operator.

    It is as wide as it has to be, and where that does not fit, names are cut.

    Args:
        progress: what to show.
        note: what to say below it.
    """

    def __init__(self, progress: JobProgress, note: str = "") -> None:
        self._progress = progress
        self._note = note

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text(options.max_width)

    def text(self, width: int) -> Text:
        """The table, at most `width` cells wide unless that leaves no room for names."""
        operators = self._progress.operators
        names = _name_width([operator.title for operator in operators], width)
        text = Text(no_wrap=True, overflow="crop", end="")
        text.append(f"{self._progress.headline}\n", "bold")
        text.append(set_cell_size("operator", names), "dim")
        for column in _COLUMNS:
            text.append(_GAP + column.title.rjust(column.width), "dim")
        for operator in operators:
            text.append("\n" + _cut(operator.title, names))
            for column in _COLUMNS:
                text.append(_GAP + column.cell(operator).rjust(column.width), column.style(operator))
        text.append(f"\n{self._note}\n" if self._note else "\n", "dim")
        return text


def count(number: float) -> str:
    """A count in at most nine characters."""
    if number < 9_999_999.5:
        return f"{number:,.0f}"
    for unit, size in (("M", 1e6), ("G", 1e9)):
        if number < 9_999.95 * size:
            return f"{number / size:,.1f} {unit}"
    return f"{number / 1e12:,.1f} T"


def percent(share: float | None) -> str:
    """A share in at most four characters; a dash if there is none."""
    return "–" if share is None else f"{share:.0%}"


def _share(name: str) -> Callable[[OperatorProgress], float | None]:
    return lambda operator: None if operator.shares is None else getattr(operator.shares, name)


def _plain(operator: OperatorProgress) -> str:
    return ""


def _share_column(name: str, striking: str) -> _Column:
    share = _share(name)
    return _Column(
        name,
        max(len(name), 4),
        lambda operator: percent(share(operator)),
        lambda operator: striking if (share(operator) or 0) > _STRIKING else "",
    )


def _channel(operator: OperatorProgress) -> str:
    if operator.fill is None and operator.totals.queued:  # not bounded: the one that closes a feedback loop
        return count(operator.totals.queued)
    return percent(operator.fill)


def _channel_style(operator: OperatorProgress) -> str:
    return "red" if (operator.fill or 0) > _STRIKING else ""


_COLUMNS = (
    _Column("in", 9, lambda operator: count(operator.totals.records_in), _plain),
    _Column("out", 9, lambda operator: count(operator.totals.records_out), _plain),
    _Column("per s", 9, lambda operator: count(operator.rate), _plain),
    _share_column("busy", "bold yellow"),
    _share_column("idle", "dim"),
    _share_column("blocked", "red"),
    _Column("channel", 7, _channel, _channel_style),
)


def _name_width(titles: list[str], width: int) -> int:
    others = sum(column.width + len(_GAP) for column in _COLUMNS)
    longest = max((Text(title).cell_len for title in [*titles, "operator"]), default=0)
    return min(longest, max(width - others, _NAME_WIDTH))


def _cut(title: str, width: int) -> str:
    """A title in exactly so many cells, an ellipsis in place of what is too much."""
    if Text(title).cell_len <= width:
        return set_cell_size(title, width)
    return set_cell_size(title, width - 1) + "…"
