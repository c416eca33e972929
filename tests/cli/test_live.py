"""The table on a terminal, and what the program prints meanwhile."""

import io
import logging
import sys

import pytest
from rich.console import Console

from sage.cli.live import _HELD_BACK, LiveTable
from sage.kernel import ExecutionStatus
from tests.cli.showing import operator, progress

HEADLINE = "job 'clicks' running, 12.5 s"


class Terminal(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines that were written, also those that were erased since."""
        text = self.getvalue().replace("\r\x1b[2K", "\n")
        for code in ("\x1b[1A", "\x1b[2K", "\x1b[?25l", "\x1b[?25h", "\r"):
            text = text.replace(code, "")
        return [line for line in text.splitlines() if line]


def take_streams(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in place of stdout and stderr. Not a fixture: pytest puts its own there after those."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setattr(sys, "stderr", made)
    return made


def console() -> Console:
    return Console(stderr=True, force_terminal=True, color_system=None, width=80, height=24, legacy_windows=False)


def test_what_is_printed_comes_above_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()) as table:
        print("a record")
        print("[red]another\x1b[1m one")
        assert "a record" not in terminal.getvalue()
        table.show(progress(operator("read")))
    lines = terminal.shown()
    assert lines.index("a record") < lines.index("[red]another\x1b[1m one") < lines.index(HEADLINE)


def test_many_lines_cost_one_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()) as table:
        table.show(progress(operator("read")))
        for number in range(1_000):
            print(number)
        table.show(progress(operator("read")))
    # once each time, and once more for what is printed above it the second time, and at the end
    assert terminal.getvalue().count(HEADLINE) <= 4
    assert [line for line in terminal.shown() if line.isdigit()] == [str(number) for number in range(1_000)]


def test_a_line_is_printed_when_it_is_whole_and_the_rest_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()) as table:
        print("half a ", end="", flush=True)
        table.show(progress())
        assert "half" not in terminal.getvalue()
        print("line\nand a rest", end="")
        table.show(progress())
        assert "half a line" in terminal.shown()
        assert "and a rest" not in terminal.getvalue()
    assert "and a rest" in terminal.shown()


def test_who_prints_a_lot_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    line = "x" * 1_023 + "\n"
    with LiveTable(console()):
        for _ in range(_HELD_BACK // 1_024 + 1):
            sys.stdout.write(line)
        assert terminal.getvalue().count(line) == _HELD_BACK // 1_024 + 1


def test_messages_on_stderr_come_above_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()) as table:
        assert logging.lastResort is not None
        logging.lastResort.handle(logging.makeLogRecord({"msg": "look out", "levelno": logging.WARNING}))
        table.show(progress())
    lines = terminal.shown()
    assert lines.index("look out") < lines.index(HEADLINE)


def test_stdout_that_goes_elsewhere_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    take_streams(monkeypatch)
    file = io.StringIO()
    monkeypatch.setattr(sys, "stdout", file)
    with LiveTable(console()):
        print("a record")
        assert file.getvalue() == "a record\n"


def test_in_all_else_the_streams_are_the_true_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()):
        assert sys.stdout is not terminal
        assert sys.stdout.isatty()
        assert sys.stdout.encoding == terminal.encoding
        sys.stdout.writelines(["a\n", "b\n"])
    assert sys.stdout is terminal
    assert sys.stderr is terminal
    assert {"a", "b"} <= set(terminal.shown())


def test_the_streams_come_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with pytest.raises(KeyError), LiveTable(console()):
        print("the last words")
        raise KeyError
    assert sys.stdout is terminal
    assert "the last words" in terminal.shown()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")  # the cursor is back


def test_a_message_stands_below_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    with LiveTable(console()) as table:
        table.show(progress())
        assert terminal.shown()[-1] == "Ctrl-C drains the job"
        table.say("draining")
        table.show(progress())
        assert terminal.shown()[-1] == "draining"


def test_the_end_is_printed_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = take_streams(monkeypatch)
    table = LiveTable(console())
    with table:
        table.show(progress(operator("read")))
    table.finish(progress(operator("read", given=7), status=ExecutionStatus.FINISHED))
    headline, titles, line = terminal.shown()[-3:]
    assert (headline, titles.split()[0], line.split()[:3]) == (
        "job 'clicks' finished, 12.5 s",
        "operator",
        ["read", "0", "7"],
    )
