"""Progress in lines."""

import io

from rich.console import Console

from sage.cli.lines import Lines
from sage.cli.measure import Shares
from sage.kernel import ExecutionStatus
from tests.cli.showing import operator, progress

OPERATORS = (
    operator("read [1]", given=1_234_567, rate=98_765.4, shares=Shares(0.1, 0.0, 0.9), capacity=0),
    operator("parse", taken=1_230_000, given=5, rate=98_700.0, parallelism=4, queued=512),
)
SHOWN = [
    "     12.5 s  read [1]  in           0  out   1,234,567       98,765/s  busy  10%  idle   0%  blocked  90%",
    "     12.5 s  parse ×4  in   1,230,000  out           5       98,700/s  channel  50%",
]


def test_a_line_for_each_operator_however_narrow_the_console() -> None:
    file = io.StringIO()
    with Lines(Console(file=file, width=20)) as lines:
        lines.show(progress(*OPERATORS))
    assert file.getvalue().splitlines() == SHOWN


def test_the_end_has_a_headline() -> None:
    file = io.StringIO()
    Lines(Console(file=file)).finish(progress(*OPERATORS, status=ExecutionStatus.FAILED))
    assert file.getvalue().splitlines() == ["job 'clicks' failed, 12.5 s", *SHOWN]


def test_a_quiet_console_shows_nothing() -> None:
    file = io.StringIO()
    lines = Lines(Console(file=file, quiet=True))
    lines.show(progress(*OPERATORS))
    lines.say("draining")
    assert file.getvalue() == ""
