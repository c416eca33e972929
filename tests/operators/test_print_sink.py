"""Prints values."""

import io
import threading
from typing import Any

import pytest

from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.print_sink import Print
from sage.testing import OperatorHarness


async def test_each_value_is_printed_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    async with OperatorHarness(Print()) as op:
        op.process([1, None])
        op.process(["two"])
        await op.end()
    assert capsys.readouterr().out == "1\nNone\ntwo\n"
    assert op.emitted == []


async def test_a_prefix_and_a_file_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    async with OperatorHarness(Print("> ", file)) as op:
        op.process(["a", "b"])
        await op.end()
    assert file.getvalue() == "> a\n> b\n"
    assert capsys.readouterr().out == ""


async def test_values_are_formatted_in_the_loop_and_written_in_a_thread() -> None:
    formatted: list[threading.Thread] = []
    written: list[threading.Thread] = []

    class Value:
        def __str__(self) -> str:
            formatted.append(threading.current_thread())
            return "value"

    class File(io.StringIO):
        def write(self, text: str) -> int:
            written.append(threading.current_thread())
            return super().write(text)

    async with OperatorHarness(Print(file=File())) as op:
        op.process([Value()])
        await op.end()
    assert formatted == [threading.main_thread()]
    assert threading.main_thread() not in written
    assert len(written) == 1


async def test_a_value_that_cannot_be_printed_is_named() -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise ValueError("no text")

        def __repr__(self) -> str:
            return "<the second>"

    async with OperatorHarness(Print(file=io.StringIO())) as op:
        with pytest.raises(RecordFailed, match=r"ValueError: no text \(record: <the second>\)"):
            op.process(["first", Unprintable()])


@pytest.mark.parametrize("prefix", [5, None, b"x"])
def test_a_prefix_is_text(prefix: Any) -> None:
    with pytest.raises(InvalidOperator, match=r"print: prefix=.*: write what each line begins with, a text"):
        Print(prefix)
