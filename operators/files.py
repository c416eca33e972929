"""Sources that read files and folders; all that may block is done in threads."""

import codecs
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sage.operators.errors import InvalidOperator, shorten
from sage.operators.naming import naming
from sage.operators.source import Outlet, PushReader, Source, SourceLogic
from sage.operators.threads import in_thread

__all__ = ["Glob", "Lines"]

T = TypeVar("T")
AnyPath = str | os.PathLike[str]

# How many bytes are read at a time.
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Lines(Source[str]):
    r"""The lines of text files, one file after the other, without their ends (``\n``, ``\r\n`` or ``\r``).

    Args:
        paths: one file or many.
        encoding: of all of them.
        errors: what is done with bytes that cannot be decoded, as in `open`.

    Raises:
        OSError: a file cannot be read; names it.
        UnicodeDecodeError: bytes cannot be decoded; names the file.
    """

    kind: ClassVar[str] = "lines"

    paths: AnyPath | Iterable[AnyPath]
    encoding: str = "utf-8"
    errors: str = "strict"

    def __post_init__(self) -> None:
        paths: Any = self.paths
        if isinstance(paths, Iterable) and not isinstance(paths, str | bytes | os.PathLike):
            paths = tuple(paths)  # an iterator could be read once only
            object.__setattr__(self, "paths", paths)
        for path in paths if isinstance(paths, tuple) else (paths,):
            check_path(path, "lines", "one path, or a list of paths")
        check_codec(self.encoding, self.errors, self.kind)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to read, in order."""
        paths = self.paths
        return (Path(paths),) if isinstance(paths, str | os.PathLike) else tuple(map(Path, paths))

    @property
    def label(self) -> str:
        """The file's name, if it is one."""
        files = self.files
        return files[0].name if len(files) == 1 else ""

    def build(self) -> SourceLogic[str]:
        """See `Source.build`."""
        return _LinesLogic(self)


@dataclass(frozen=True)
class Glob(Source[Path]):
    """The paths that match a pattern, sorted.

    Args:
        pattern: relative to `root`, as in `pathlib.Path.glob`; ``**`` stands for any number of folders.
        root: the folder to look in.

    Raises:
        NotADirectoryError: `root` is no folder.
    """

    kind: ClassVar[str] = "glob"

    pattern: str
    root: AnyPath = "."

    def __post_init__(self) -> None:
        pattern: Any = self.pattern
        if not isinstance(pattern, str) or not pattern or Path(pattern).is_absolute():
            raise InvalidOperator(f"glob: {pattern!r}: write a pattern relative to root, such as '**/*.txt'")
        check_path(self.root, "glob: root")

    @property
    def label(self) -> str:
        """The pattern."""
        return self.pattern

    def build(self) -> SourceLogic[Path]:
        """See `Source.build`."""
        return _GlobLogic(self)


def check_path(path: object, owner: str, wanted: str = "a path, a str or a pathlib.Path") -> None:
    """Refuse what is no path.

    Raises:
        InvalidOperator: names `owner`, the operator that was given it.
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidOperator(f"{owner}: {shorten(path)} is no path; write {wanted}")


def check_codec(encoding: str, errors: str, owner: str) -> None:
    """Refuse an encoding, or a way to handle errors, that Python does not know.

    Raises:
        InvalidOperator: names `owner`, the operator that was given them.
    """
    try:
        codecs.lookup(encoding)
        codecs.lookup_error(errors)
    except LookupError as error:
        raise InvalidOperator(
            f"{owner}: {error}; write an encoding such as 'utf-8', and errors such as 'strict' or 'replace'"
        ) from None


class _FileLogic(SourceLogic[T], PushReader[T]):
    async def open(self, context: Any) -> PushReader[T]:
        self._limit = max(context.batch_size, 1)
        return self

    async def put(self, values: list[T], outlet: Outlet[T]) -> None:
        for start in range(0, len(values), self._limit):
            outlet.put_all(values[start : start + self._limit])
            await outlet.room()


class _LinesLogic(_FileLogic[str]):
    def __init__(self, source: Lines) -> None:
        self._source = source
        self._file: _TextFile | None = None

    async def run(self, outlet: Outlet[str]) -> None:
        for path in self._source.files:
            self._file = _TextFile(path, self._source.encoding, self._source.errors)
            while (lines := await in_thread(self._file.read)) is not None:
                await self.put(lines, outlet)

    async def close(self) -> None:
        if self._file is not None:
            await in_thread(self._file.close)


class _GlobLogic(_FileLogic[Path]):
    def __init__(self, source: Glob) -> None:
        self._source = source

    async def run(self, outlet: Outlet[Path]) -> None:
        await self.put(await in_thread(self._walk), outlet)

    def _walk(self) -> list[Path]:
        root = Path(self._source.root)
        if not root.is_dir():
            raise NotADirectoryError(f"glob: {root} is no folder")
        return sorted(root.glob(self._source.pattern))


class _TextFile:
    """A file read in chunks: quicker than line by line, and of a pipe it gives what is there."""

    def __init__(self, path: Path, encoding: str, errors: str) -> None:
        self._path = path
        decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._file: io.FileIO | None = None
        # The line that has no end yet, in pieces.
        self._open_line: list[str] = []
        self._ended = False

    def read(self) -> list[str] | None:
        """The lines that end in the next chunk, maybe none; `None` when all is read.

        Opens the file the first time, closes it at the end.
        """
        if self._ended:
            return None
        with naming(self._path):
            if self._file is None:
                self._file = io.FileIO(self._path)
            chunk = self._file.read(_CHUNK)
            self._ended = not chunk
            first, *others = self._decoder.decode(chunk, final=self._ended).split("\n")
        self._open_line.append(first)
        if not others and not self._ended:
            return []
        *lines, last = chain(["".join(self._open_line)], others)
        if self._ended:
            self.close()
            return [*lines, last] if last else lines
        self._open_line = [last]
        return lines

    def close(self) -> None:
        """Close it; may be called again."""
        self._ended = True
        if self._file is not None:
            self._file.close()
