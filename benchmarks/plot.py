"""The outcomes as one picture: a panel each, a bar for each way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.outcome import Outcome, Row

__all__ = ["PlotsNotAvailable", "require_matplotlib", "write_plot"]

_GREEN, _GREY, _PALE, _TEXT = "#2f6f4f", "#8a8f98", "#b9c3cf", "#24292f"

_WIDTH_INCHES = 8.0
_EDGE_INCHES = 0.15
_LABEL_INCHES = 2.3
_BAR_INCHES = 0.25
_TITLE_INCHES = 0.6
_AROUND_INCHES = _TITLE_INCHES + 0.5  # the title above the bars, and the axis below
_CAPTION_INCHES = 0.35

_STYLE: Any = {
    "svg.fonttype": "none",  # letters stay letters: small, and they can be searched
    "svg.hashsalt": "sage",  # the same figures give the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _GREY,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
}


class PlotsNotAvailable(Exception):
    """The extra that draws is not installed."""


def require_matplotlib() -> None:
    """Find out before anything is measured.

    Raises:
        PlotsNotAvailable: the message says what to install.
    """
    try:
        import matplotlib  # noqa: F401  # only whether it is there
    except ModuleNotFoundError as missing:
        raise PlotsNotAvailable('--plot needs matplotlib: pip install "sage-streams[bench]"') from missing


def write_plot(path: Path, outcomes: Sequence[Outcome], caption: str) -> None:
    """Draw the outcomes, at least one, into an SVG file. One without rows, as something is not installed, is left out.

    Raises:
        OSError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    outcomes = [outcome for outcome in outcomes if outcome.rows]
    height = sum(map(_inches, outcomes)) + _CAPTION_INCHES
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_INCHES, height))
        FigureCanvasSVG(figure)
        top = height
        for outcome in outcomes:
            _draw(outcome, figure, top, height)
            top -= _inches(outcome)
        figure.text(_EDGE_INCHES / _WIDTH_INCHES, 0.1 / height, caption, fontsize=7, color=_GREY)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _inches(outcome: Outcome) -> float:
    return _AROUND_INCHES + _BAR_INCHES * len(outcome.rows)


def _draw(outcome: Outcome, figure: Any, top: float, height: float) -> None:
    """A panel whose upper edge is `top` inches above the lower edge of the figure."""
    edge = _EDGE_INCHES / _WIDTH_INCHES
    figure.text(edge, (top - 0.30) / height, outcome.name, fontweight="bold")
    figure.text(edge, (top - 0.47) / height, f"{outcome.title}; floor: {outcome.floor}", fontsize=7.5)
    bars = _BAR_INCHES * len(outcome.rows)
    left, right = _LABEL_INCHES / _WIDTH_INCHES, 1 - 4 * edge
    panel = figure.add_axes((left, (top - _TITLE_INCHES - bars) / height, right - left, bars / height))
    _draw_bars(outcome, panel)


def _draw_bars(outcome: Outcome, panel: Any) -> None:
    chart = outcome.chart
    column = next(column for column in outcome.columns if column.key == chart.key)
    places = range(len(outcome.rows))
    values = [float(row[chart.key]) for row in outcome.rows]
    bars = panel.barh(places, values, color=[_color(outcome, row) for row in outcome.rows], height=0.7)
    panel.bar_label(bars, [column.show(row) for row in outcome.rows], padding=3, fontsize=8)
    panel.set_yticks(places, [chart.label.format(**row) for row in outcome.rows])
    panel.invert_yaxis()
    panel.set_xlabel(chart.axis, fontsize=8)
    if chart.reference is not None:
        panel.axvline(chart.reference, color=_GREY, linewidth=0.8, linestyle=":")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _color(outcome: Outcome, row: Row) -> str:
    way = str(row["way"])
    if way.startswith("sage"):
        return _GREEN
    return _GREY if way in ("floor", outcome.floor) else _PALE
