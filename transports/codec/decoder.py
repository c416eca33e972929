"""One unpacking, and what it needs to make all other types of what msgpack knows.

Everything here comes from the wire and is checked, sizes before anything is made of them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pickle import PickleBuffer
from typing import Any, Final, NamedTuple

from msgpack import StackError, Unpacker, unpackb

from sage.transports.codec.extensions import MARKS, READERS
from sage.transports.codec.marks import BUFFER, LAST_MARK, NAMED, PICKLED, Mark
from sage.transports.codec.pickles import ALLOWED, REFUSED
from sage.transports.codec.types import Types
from sage.transports.errors import CodecError

__all__ = ["Decoder", "Items"]

# Msgpack makes room for all elements that an array claims to have: 8 bytes for each, at each of 1,024 levels. If none
# claims more than this (and one more for each so many bytes of the body), that is 1 MB (and 64 times the body) at most.
_HARMLESS: Final = 128
_BYTES_FOR_ANOTHER: Final = 128


class Items(NamedTuple):
    """What a body holds.

    Attributes:
        values: the items, in order.
        sizes: how many records each of them counts for; `None` when each counts for one.
    """

    values: list[Any]
    sizes: list[int] | None


# As `Items(values, sizes)`, in a third of the time.
_as_items: Final[Callable[[tuple[list[Any], list[int] | None]], Items]] = partial(tuple.__new__, Items)


class _MarkMet(Exception):
    """There are marked arrays: each list must be looked at."""


class Decoder:
    """Unpacks one body at a time; not to be used again before it is done, neither from a thread nor from a hook.

    Args:
        types: the classes that travel by name.
        pickle: whether to read pickles.
        max_bytes: the limit of body and buffers together.
    """

    __slots__ = (
        "_beside",
        "_built",
        "_hook",
        "_marking",
        "_marks",
        "_max_bytes",
        "_met",
        "_types",
        "_unpack",
        "_unpack_marked",
    )

    def __init__(self, types: Types, *, pickle: bool, max_bytes: int) -> None:
        self._types = types
        self._marks = {**MARKS, PICKLED: ALLOWED if pickle else REFUSED}
        self._max_bytes = max_bytes
        # Buffers not used yet, the next one last.
        self._beside: list[memoryview] = []
        self._met = 0
        self._built = 0
        # Whether to look at each list, which costs more than making it. So that is not done until a mark is met; then
        # the body is unpacked anew, and so is the next one, since what flows on a channel is much the same.
        self._marking = False
        self._hook = self._extension
        self._unpack = partial(unpackb, ext_hook=self._hook, strict_map_key=False)
        self._unpack_marked = partial(self._unpack, list_hook=self._list)

    def decode(self, body: Any, buffers: Sequence[Any]) -> Items:
        """Unpack what an encoder or a frame writer made.

        Raises:
            CodecError: it is anything else. The decoder can be used again.
        """
        if not (buffers or self._marking):
            # Nothing that msgpack needs help with, as a rule: then this takes no longer than unpacking. Whatever else
            # there is, errors included, is met again when it is unpacked anew.
            try:
                size = len(body) if type(body) is bytes else memoryview(body).nbytes
                if size <= self._max_bytes:
                    harmless = _HARMLESS + size // _BYTES_FOR_ANOTHER
                    # All told here: a `partial` takes half as long as unpacking.
                    return _items(unpackb(body, ext_hook=self._hook, strict_map_key=False, max_array_len=harmless))
            except _MarkMet:
                self._marking = True
            except Exception:
                return self._decode_with_care(body, buffers)
        return self._decode_with_care(body, buffers)

    def _decode_with_care(self, body: Any, buffers: Sequence[Any]) -> Items:
        try:
            size = len(body) if type(body) is bytes else memoryview(body).nbytes
            self._check_size(size, buffers)
            return _items(self._unpacked(body, size, buffers))
        except CodecError as error:
            raise CodecError(f"cannot decode: {error}") from error.__cause__
        except Exception as error:
            raise CodecError(f"cannot decode: {_reason(error)}") from error
        finally:
            self._beside = []

    def _check_size(self, size: int, buffers: Sequence[Any]) -> None:
        if buffers:
            size += sum([memoryview(buffer).nbytes for buffer in buffers])
        if size > self._max_bytes:
            raise CodecError(f"{size:,} bytes are more than the limit of {self._max_bytes:,} (max_bytes)")

    def _unpacked(self, body: Any, size: int, buffers: Sequence[Any]) -> Any:
        try:
            content = self._content(body, size, buffers)
        except _MarkMet:
            self._marking = True
            content = self._content(body, size, buffers)
        if self._met != self._built:
            raise CodecError("a mark stands where none belongs")
        if self._beside:
            raise CodecError(f"{len(self._beside)} of {len(buffers)} buffers are not used")
        self._marking = self._met > 0
        return content

    def _content(self, body: Any, size: int, buffers: Sequence[Any]) -> Any:
        unpack = self._unpack_marked if self._marking else self._unpack
        self._begin(buffers)
        try:
            return unpack(body, max_array_len=_HARMLESS + size // _BYTES_FOR_ANOTHER)
        except StackError:
            # A packer goes one level deeper than msgpack unpacks in one piece.
            unpack = partial(_in_pieces, size=size, **unpack.keywords)
        except ValueError as error:
            if "max_array_len" not in str(error):
                raise
        _check_claims(body, size)
        self._begin(buffers)
        return unpack(body)

    def _begin(self, buffers: Sequence[Any]) -> None:
        self._met = self._built = 0
        if buffers:
            self._beside = [_as_bytes(buffer) for buffer in reversed(buffers)]

    def _extension(self, code: int, payload: bytes) -> Any:
        """Make a value, or a mark, of an extension."""
        if code > LAST_MARK:
            if code == BUFFER and not payload:
                return self._next_buffer()
            read = READERS.get(code)
            if read is None:
                raise CodecError(f"there is no extension with code {code}")
            return read(payload)
        if not self._marking:
            raise _MarkMet
        self._met += 1
        if code == NAMED:
            return self._named(payload)
        mark = None if payload else self._marks.get(code)
        if mark is None:
            raise CodecError(f"there is no mark with code {code}")
        return mark

    def _named(self, name: bytes) -> Mark:
        entry = self._types.of_name(name)
        if entry is None:
            told = name[:255].decode(errors="replace")
            raise CodecError(f"the type {told!r} is not known here: call register_type for it in this process, too")
        return entry.mark

    def _next_buffer(self) -> memoryview:
        if not self._beside:
            raise CodecError("there are fewer buffers than the body speaks of")
        return self._beside.pop()

    def _list(self, items: list[Any]) -> Any:
        """Make what it stands for of a list that begins with a mark."""
        if not items or type(items[0]) is not Mark:
            return items
        self._built += 1
        mark = items[0]
        try:
            return mark.build(items)
        except Exception as error:
            raise CodecError(f"{mark.name}: {_reason(error)}") from error


def _check_claims(body: Any, size: int) -> None:
    """Walk through the body once, without making anything, to see that all its arrays are whole."""
    try:
        _walker(body, size).skip()
    except StackError:
        walker = _walker(body, size)
        for _ in _pieces(walker):
            walker.skip()


def _in_pieces(body: Any, size: int, **hooks: Any) -> Any:
    """Unpack the items one by one, each of which may then nest two levels deeper."""
    walker = _walker(body, size, **hooks)
    sizes, *values = [walker.unpack() for _ in _pieces(walker)]
    if walker.tell() != size:
        raise CodecError("something follows its end")
    return [sizes, values]


def _pieces(walker: Any) -> Iterator[None]:
    """Stop where the sizes and each of the items begin."""
    if walker.read_array_header() != 2:
        raise CodecError("it is no body: there are no sizes and items")
    yield
    for _ in range(walker.read_array_header()):
        yield


def _walker(body: Any, size: int, **hooks: Any) -> Any:
    walker = Unpacker(max_buffer_size=size, **hooks)
    walker.feed(body)
    return walker


def _as_bytes(buffer: Any) -> memoryview:
    # Keeps the very object it is given, and its memory: of a memoryview, another one would keep only what lies below.
    view = memoryview(PickleBuffer(buffer))
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _items(content: Any) -> Items:
    if type(content) is not list or len(content) != 2 or type(content[1]) is not list:
        raise CodecError("it is no body: there are no sizes and items")
    sizes, values = content
    if sizes is not None:
        _check_sizes(sizes, len(values))
    return _as_items((values, sizes))


def _check_sizes(sizes: Any, count: int) -> None:
    if type(sizes) is not list or len(sizes) != count:
        raise CodecError(f"there is not a size for each of {count} items")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise CodecError("a size is not a number of records")
    if sizes.count(1) == count:
        raise CodecError("sizes are told though all are 1")


def _reason(error: Exception) -> str:
    if isinstance(error, StackError):
        return "it nests too deep"
    return f"{error}" if isinstance(error, CodecError) else f"{type(error).__name__}: {error}"[:500]
