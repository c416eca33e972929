"""The table of a running job, at fixed widths."""

import io

import pytest
from rich.console import Console

from sage.cli.measure import JobProgress, Shares
from sage.cli.table import JobTable, count, percent
from tests.cli.showing import operator, progress

PROGRESS = progress(
    operator("read", given=1_234_567, rate=98_765.4, shares=Shares(0.1, 0.0, 0.9), capacity=0),
    operator(
        "parse",
        taken=1_230_000,
        given=12_345_678,
        rate=98_700.0,
        shares=Shares(0.95, 0.05, 0.0),
        parallelism=4,
        queued=1_024,
    ),
    operator("again", taken=12, queued=7, capacity=0, rate=0.4),
    operator("[bold]store", taken=12_345_000, rate=99_999_999.0, shares=Shares(0.25, 0.75, 0.0), queued=256),
)


def drawn(shown: JobProgress, width: int, note: str = "") -> list[str]:
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(JobTable(shown, note), end="")
    return console.export_text().splitlines()


def test_a_line_for_each_operator() -> None:
    assert drawn(PROGRESS, 100, "Ctrl-C drains the job") == [
        "job 'clicks' running, 12.5 s",
        "operator            in        out      per s  busy  idle  blocked  channel",
        "read                 0  1,234,567     98,765   10%    0%      90%        –",
        "parse ×4     1,230,000     12.3 M     98,700   95%    5%       0%     100%",
        "again               12          0          0     –     –        –        7",
        "[bold]store     12.3 M          0    100.0 M   25%   75%       0%      25%",
        "Ctrl-C drains the job",
    ]


def test_long_names_are_cut_to_the_width() -> None:
    lines = drawn(progress(operator("an operator whose name is long"), operator("流れを読む演算子と名前")), 80)
    assert lines[2:] == [
        "an operator whos…          0          0          0     –     –        –       0%",
        "流れを読む演算子…          0          0          0     –     –        –       0%",
    ]


def test_names_keep_some_room_where_there_is_none() -> None:
    lines = drawn(progress(operator("an operator whose name is long")), 40)
    assert lines[2].startswith("an operator…  ")
    assert all(len(line) <= 40 for line in lines)


def test_a_job_without_operators_yet() -> None:
    assert drawn(progress(), 80)[0] == "job 'clicks' running, 12.5 s"


def test_what_is_striking_stands_out() -> None:
    text = JobTable(PROGRESS).text(100)
    styled = {(text.plain[span.start : span.end].strip(), str(span.style)) for span in text.spans}
    assert {("95%", "bold yellow"), ("90%", "red"), ("100%", "red")} <= styled
    assert not {style for shown, style in styled if shown in ("10%", "25%", "0%")}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (0.4, "0"),
        (9_999_999.4, "9,999,999"),
        (9_999_999.6, "10.0 M"),
        (123_456_789, "123.5 M"),
        (9_999_940_000, "9,999.9 M"),
        (9_999_960_000, "10.0 G"),
        (5e12, "5,000.0 G"),
        (2e15, "2,000.0 T"),
    ],
)
def test_counts_stay_short(number: float, shown: str) -> None:
    assert count(number) == shown
    assert len(shown) <= 9


def test_shares() -> None:
    assert [percent(share) for share in (None, 0.0, 0.004, 0.555, 1.0)] == ["–", "0%", "0%", "56%", "100%"]
