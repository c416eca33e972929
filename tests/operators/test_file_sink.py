"""Writes lines to a file."""

import os
from pathlib import Path
from typing import Any

import pytest

from sage.operators.errors import InvalidOperator, RecordFailed
from sage.operators.file_sink import WriteLines
from sage.operators.files import Lines
from sage.testing import OperatorHarness
from tests.operators.reading import reading


async def write(operator: WriteLines, *batches: Any) -> OperatorHarness:
    async with OperatorHarness(operator) as op:
        for batch in batches:
            op.process(batch)
        await op.end()
    return op


async def test_each_value_is_a_line_in_order(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    op = await write(WriteLines(path), *([f"{batch}.{line}" for line in range(3)] for batch in range(20)))
    assert path.read_bytes() == "".join(f"{batch}.{line}\n" for batch in range(20) for line in range(3)).encode()
    assert op.emitted == []


async def test_a_batch_is_in_the_file_once_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    async with OperatorHarness(WriteLines(path)) as op:
        assert path.read_text() == ""
        op.process(["one"])
        await op.settle()
        assert path.read_text() == "one\n"


async def test_a_file_is_replaced_unless_told_to_append(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    await write(WriteLines(path), ["one"])
    await write(WriteLines(path), ["two"])
    assert path.read_text() == "two\n"
    await write(WriteLines(str(path), append=True), ["three"])
    assert path.read_text() == "two\nthree\n"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
async def test_what_is_written_can_be_read_again(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "out.txt"
    await write(WriteLines(path, encoding=encoding), ["käse", ""], ["brot"])
    await write(WriteLines(path, encoding=encoding, append=True), ["wein"])
    async with reading(Lines(path, encoding)) as read:
        assert await read.values() == ["käse", "", "brot", "wein"]


# ---- errors


async def test_a_folder_that_is_missing_is_found_out_before_the_first_record(tmp_path: Path) -> None:
    harness = OperatorHarness(WriteLines(tmp_path / "missing" / "out.txt"))
    with pytest.raises(FileNotFoundError, match=r"missing.*out\.txt"):
        await harness.logic.open(harness.context)
    await harness.logic.close()


async def test_a_value_that_is_no_str_is_named(tmp_path: Path) -> None:
    async with OperatorHarness(WriteLines(tmp_path / "out.txt")) as op:
        with pytest.raises(RecordFailed, match=r"a line of .*out\.txt must be a str, not int.*record: 5"):
            op.process(["one", 5])


async def test_what_cannot_be_encoded_names_the_file(tmp_path: Path) -> None:
    async with OperatorHarness(WriteLines(tmp_path / "out.txt", encoding="ascii")) as op:
        op.process(["käse"])
        with pytest.raises(UnicodeEncodeError, match=r"in .*out\.txt"):
            await op.settle()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
async def test_a_full_disk_names_the_file() -> None:
    harness = OperatorHarness(WriteLines("/dev/full"))
    await harness.logic.open(harness.context)
    harness.process(["one"])
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        await harness.settle()
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        await harness.logic.close()


def test_subtasks_cannot_write_one_file_together() -> None:
    with pytest.raises(InvalidOperator, match=r"2 subtasks cannot write out\.txt together"):
        WriteLines("out.txt").build(0, 2)


def test_an_encoding_that_is_unknown_is_refused() -> None:
    with pytest.raises(InvalidOperator, match="utf-9"):
        WriteLines("out.txt", encoding="utf-9")
