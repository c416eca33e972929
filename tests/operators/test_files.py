"""Sources that read files and folders."""

import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sage.operators import files
from sage.operators.errors import InvalidOperator
from sage.operators.files import Glob, Lines
from sage.operators.source import Source
from tests.operators.reading import reading


async def values_of(source: Source[Any], **settings: Any) -> list[Any]:
    async with reading(source, **settings) as read:
        return await read.values()


@pytest.fixture(params=[1, 3, 1 << 16], ids="chunks of {}".format)
def any_chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the bytes come."""
    monkeypatch.setattr(files, "_CHUNK", request.param)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- lines


@pytest.mark.usefixtures("any_chunk")
@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\ntwo", ["one", "two"]),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"one\n\nthree\n", ["one", "", "three"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\rtwo\r", ["one", "two"]),
        (b" one \n\ttwo\n", [" one ", "\ttwo"]),
        ("käse\nμ\u2028€\n".encode(), ["käse", "μ\u2028€"]),
    ],
)
async def test_lines_come_without_their_ends(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    path = write(tmp_path / "some.txt", data)
    assert await values_of(Lines(path)) == lines
    with path.open(encoding="utf-8") as file:
        assert [line.removesuffix("\n") for line in file] == lines


@pytest.mark.usefixtures("any_chunk")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1", "utf-32-le"])
async def test_any_encoding_will_do(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "some.txt", "käse\r\nbrot\n".encode(encoding))
    assert await values_of(Lines(path, encoding)) == ["käse", "brot"]


async def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, data) for name, data in [("b", b"1\n2"), ("a", b""), ("c", b"3\n")]]
    source = Lines(iter(paths))
    assert source.replayable
    assert await values_of(source) == ["1", "2", "3"]
    assert await values_of(source) == ["1", "2", "3"]
    assert await values_of(Lines([str(path) for path in paths])) == ["1", "2", "3"]


async def test_lines_of_a_chunk_come_together_in_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "some.txt", b"line\n" * 10)
    async with reading(Lines(path), batch_size=4) as read:
        assert [len(batch) for batch in await read.batches()] == [4, 4, 2]


async def test_a_reader_that_is_not_emptied_waits(tmp_path: Path) -> None:
    path = write(tmp_path / "some.txt", b"line\n" * 100_000)
    async with reading(Lines(path), batch_size=16) as read:
        assert len(await read.batch()) == 16
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(read.outlet) <= 16


async def test_a_file_is_closed_when_it_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[io.FileIO] = []

    class Watched(io.FileIO):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr(io, "FileIO", Watched)
    path = write(tmp_path / "some.txt", b"line\n" * 100)
    async with reading(Lines(path), batch_size=16) as read:
        await read.batch()
        assert [file.closed for file in opened] == [False]
    assert [file.closed for file in opened] == [True]
    async with reading(Lines([path, path])) as read:
        await read.values()
        assert [file.closed for file in opened] == [True] * 3


async def test_the_loop_goes_on_while_a_pipe_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read_one = threading.Event()

    def feed() -> None:
        with path.open("wb", buffering=0) as pipe:
            pipe.write(b"one\nt")
            assert read_one.wait(60)
            pipe.write(b"wo\n")

    feeder = threading.Thread(target=feed)
    feeder.start()
    async with reading(Lines(path)) as read:
        assert await read.batch() == ["one"]
        read_one.set()
        assert await read.batch() == ["two"]
        assert await read.batch() == []
    feeder.join()


async def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        await values_of(Lines(tmp_path / "missing.txt"))


async def test_lines_before_a_file_that_is_missing_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "some.txt", b"one\n")
    async with reading(Lines([path, tmp_path / "missing.txt"])) as read:
        assert await read.batch() == ["one"]
        with pytest.raises(FileNotFoundError):
            await read.batch()


@pytest.mark.usefixtures("any_chunk")
async def test_bytes_that_cannot_be_decoded_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "some.txt", b"one\ntw\xff\n")
    with pytest.raises(UnicodeDecodeError, match=r"invalid start byte, in .*some\.txt"):
        await values_of(Lines(path))
    assert await values_of(Lines(path, errors="replace")) == ["one", "tw\ufffd"]


def test_a_single_file_gives_its_name(tmp_path: Path) -> None:
    assert Lines(tmp_path / "some.txt").label == "some.txt"
    assert Lines(["a", "b"]).label == ""


# ---- glob


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "c.md", "deep/z.txt", "deep/deeper/y.txt"):
        write(tmp_path / name, b"")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "deep/deeper/y.txt", "deep/z.txt"]),
        ("*.none", []),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 1024])
async def test_paths_that_match_come_sorted(folder: Path, pattern: str, names: list[str], batch_size: int) -> None:
    source = Glob(pattern, folder)
    assert source.replayable
    assert await values_of(source, batch_size=batch_size) == [folder / name for name in names]


async def test_the_folder_is_where_the_program_runs_unless_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert await values_of(Glob("*.md")) == [Path("c.md")]


async def test_a_folder_that_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(NotADirectoryError, match="missing"):
        await values_of(Glob("*", folder / "missing"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lines(5), "5 is no path"),  # type: ignore[arg-type]  # the mistake
        (lambda: Lines(["a", 5]), "5 is no path"),  # type: ignore[list-item]  # the mistake
        (lambda: Lines(b"a"), "is no path"),  # type: ignore[arg-type]  # the mistake
        (lambda: Lines("a", "utf-9"), "utf-9"),
        (lambda: Lines("a", errors="hope"), "hope"),
        (lambda: Glob(""), "relative to root"),
        (lambda: Glob("/etc/*"), "relative to root"),
    ],
)
def test_mistakes_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOperator, match=message):
        make()
