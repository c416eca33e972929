"""What travels between a client and a server of calls: the wire format, version 1.

A client is a DEALER socket, a server a ROUTER. What one side has to say to one peer in one turn of its event loop goes
into few ZeroMQ messages, as one that it reads may have any number of records: each message (behind the routing id,
which belongs to the ROUTER) is of one part or more::

    part 0     8 bytes   "SAGERPC" and the version, one byte
               4 bytes   how many records there are
               28 bytes  for each record, as follows
               the rest  the values of all records, in order, as one body of `sage.transports.codec`: the MessagePack
                         array [nil, [value, value, ...]]; nothing if there are none
    part 1...            what the values hold out of band, in order

A record is, all integers (also the number of records) unsigned and little-endian::

    offset  size  field
    0       1     kind
    1       1     flags
    2       2     buffers   how many of the buffers belong to its values
    4       4     values    how many of the values are its own
    8       4     window    see below
    12      8     id        which call; the client numbers its calls from 1 and uses no number twice in a connection
    20      8     number    see below

Kinds a client sends:

======  ========  ====================================================================================================
 1      HELLO     the first of all, once for a connection; nothing else is sent before WELCOME
 2      CALL      value: a list of the method's name and the positional arguments; with flag 1 its last element is the
                  map of the keyword arguments. number: microseconds left until the deadline, 0 for none. window: 0
                  for one answer; for a stream, how many items the server may send that were not granted, 65,536 at
                  the most
 3      CANCEL    the answer is not wanted any more: the server cancels the work and sends nothing more
 4      GRANT     the reader of a stream has taken `number` items: the server may send as many more
 5      BYE       the client leaves; all its calls are cancelled
======  ========  ====================================================================================================

Kinds a server sends:

======  ========  ====================================================================================================
 16     WELCOME   answers HELLO
 17     ANSWER    value: the answer. Ends the call
 18     ERROR     value: a list of the name of the error's type, its message, the traceback as text, the list of its
                  notes, its arguments (a list, or nil if they cannot be carried) and its attributes (a map, or nil).
                  number: 0 if the method raised it; 1 unknown method, 2 wrong call, 3 overloaded, 4 deadline
                  exceeded, 5 the server closed meanwhile, 6 it closes and has not begun the call. Ends the call
 19     ITEMS     values: items of a stream, one value each
 20     END       behind the last item of a stream. Ends the call
 21     GOODBYE   the connection is over. number: 0, the server closes and waits a moment for the client's BYE; 1, it
                  does not know this client (any more), which has to make a new connection; 2, it does not speak the
                  client's version
======  ========  ====================================================================================================

Fields a kind does not use are 0. A message may have no records: it shows whether the peer can be reached. Each call is
answered at most once, by ANSWER, ERROR or END; by none behind its CANCEL. What comes for a call that is no longer known
is ignored: it has crossed a CANCEL on its way. A value that cannot be decoded spoils its own record only: the call
fails with the reason. A message that breaks the rules in another way is dropped whole, and its sender with it.

The first 8 bytes mean the same in every version; a server answers another version with a GOODBYE of its own.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgpack import Packer, Unpacker

from sage.transports.codec import Codec
from sage.transports.errors import CodecError
from sage.transports.rpc.errors import MalformedMessage

__all__ = [
    "ANSWER",
    "BYE",
    "CALL",
    "CANCEL",
    "CLOSING",
    "END",
    "ERROR",
    "GOODBYE",
    "GRANT",
    "HELLO",
    "ITEMS",
    "KEYWORDS",
    "MOST_BUFFERS",
    "MOST_WINDOW",
    "OTHER_VERSION",
    "Record",
    "UNKNOWN_PEER",
    "VERSION",
    "WELCOME",
    "WrongVersion",
    "pack_message",
    "pack_record",
    "read_message",
]

VERSION = 1

HELLO, CALL, CANCEL, GRANT, BYE = range(1, 6)
WELCOME, ANSWER, ERROR, ITEMS, END, GOODBYE = range(16, 22)

#: Flag of CALL: the last element is the map of the keyword arguments.
KEYWORDS = 1

# The numbers of GOODBYE.
CLOSING, UNKNOWN_PEER, OTHER_VERSION = range(3)

_MAGIC = b"SAGERPC"
_BEGIN = _MAGIC + bytes([VERSION])
_HEAD = struct.Struct("<8sI")
#: The largest window of a stream.
MOST_WINDOW = 1 << 16
#: How many buffers a record can tell of.
MOST_BUFFERS = 0xFFFF

Bytes = bytes | memoryview

_RECORD = struct.Struct("<BBHIIQQ")
#: ``pack_record(kind, flags, buffers, values, window, id, number)``
pack_record = _RECORD.pack


class WrongVersion(MalformedMessage):
    """The message is of this protocol, in a version that is not spoken here."""


class Record(NamedTuple):
    """One record of a message, with its values, or why they cannot be decoded."""

    kind: int
    flags: int
    buffers: int
    own: int
    window: int
    id: int
    number: int
    values: list[Any] | CodecError


def pack_message(records: Sequence[bytes], body: Bytes = b"", buffers: Sequence[Any] = ()) -> list[Any]:
    """The parts of a message; `body` and `buffers` hold the values of its records, as a `Frame` does."""
    return [b"".join([_HEAD.pack(_BEGIN, len(records)), *records, body]), *buffers]


def read_message(parts: Sequence[Any], codec: Codec) -> list[Record]:
    """The records of a message.

    Raises:
        WrongVersion: it is a message of another version.
        MalformedMessage: it is none of this protocol.
    """
    rows, body = _taken_apart(parts)
    buffers = parts[1:]
    values: list[Any] = []
    if len(body):
        try:
            values, sizes = codec.decode_items(body, buffers)
        except CodecError:
            return _one_by_one(body, buffers, rows, codec)
        if sizes is not None:
            raise MalformedMessage("its values have sizes")
    records: list[Record] = []
    at = beside = 0
    for row in rows:
        end = at + row[3]
        beside += row[2]
        records.append(_new(Record, (*row, values[at:end])))
        at = end
    if at != len(values) or beside != len(buffers) or (buffers and not values):
        raise MalformedMessage("its values are not those of its records")
    return records


# What `Record(...)` does, without its function, which would take longer than all the rest.
_new = tuple.__new__


def _taken_apart(parts: Sequence[Any]) -> tuple[list[tuple[int, ...]], Bytes]:
    """The records as they were packed, and the body behind them."""
    head = parts[0] if parts else b""
    if len(head) < _HEAD.size:
        raise MalformedMessage("it is no message of calls")
    begin, count = _HEAD.unpack_from(head)
    if begin != _BEGIN:
        if begin.startswith(_MAGIC):
            raise WrongVersion(f"the peer speaks version {begin[len(_MAGIC)]}, this side version {VERSION}")
        raise MalformedMessage("it is no message of calls")
    end = _HEAD.size + count * _RECORD.size
    if end > len(head):
        raise MalformedMessage(f"its {len(head)} bytes do not hold {count} records")
    return list(_RECORD.iter_unpack(head[_HEAD.size : end])), head[end:]


def _one_by_one(body: Any, buffers: Sequence[Any], rows: list[Any], codec: Codec) -> list[Record]:
    """Decode the values of each record by themselves, since something in this message cannot be decoded."""
    packer = Packer()
    records: list[Record] = []
    for row, (data, beside) in zip(rows, _pieces(body, buffers, rows), strict=True):
        values: list[Any] | CodecError
        try:
            whole = b"".join([b"\x92\xc0", packer.pack_array_header(row[3]), data])
            values = codec.decode_items(whole, beside).values if row[3] else []
        except CodecError as error:
            values = error
        records.append(_new(Record, (*row, values)))
    return records


def _pieces(body: Any, buffers: Sequence[Any], rows: list[tuple[int, ...]]) -> list[tuple[bytes, Sequence[Any]]]:
    """The bytes and the buffers of each record's values."""
    walker = Unpacker(max_buffer_size=len(body))
    pieces: list[tuple[bytes, Sequence[Any]]] = []
    beside = 0
    try:
        walker.feed(body)
        if walker.read_array_header() != 2 or walker.unpack() is not None:
            raise ValueError("it is no body without sizes")
        if walker.read_array_header() != sum([row[3] for row in rows]):
            raise ValueError("the records tell of other values")
        for row in rows:
            begin = walker.tell()
            for _ in range(row[3]):
                walker.skip()
            pieces.append((bytes(body[begin : walker.tell()]), buffers[beside : beside + row[2]]))
            beside += row[2]
        if walker.tell() != len(body) or beside != len(buffers):
            raise ValueError("something follows the last value")
    except Exception as error:  # whatever msgpack raises about bytes that are none of its own
        raise MalformedMessage(f"the body cannot be taken apart: {type(error).__name__} {error}") from error
    return pieces
