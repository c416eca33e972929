"""What passes between the host of a queue and the others: the wire format, version 1.

It is written so that a client can be made from it in any language. The host has one ROUTER socket for a queue. Each
sender and each consumer has a DEALER socket of its own, with a routing id of 16 random bytes. That id is its *session*:
it stays the same when the connection is cut and made again.

**Messages.** A message has one part or more (what a ROUTER puts before them is left out here)::

    part 0     header   40 bytes
    part 1     body     as the kind has it
    part 2...  buffers  what the body holds out of band, in this order (DATA and DELIVER only)

The header, all integers unsigned and little-endian::

    offset  size  field
    0       5     magic    the bytes "SAGEQ"
    5       1     version  1
    6       1     kind     see below
    7       1     zero     0; a reader ignores it
    8       8     number   of a counted message its own, of others that of the last counted one sent before; see below
    16      8     ack      the number of the last counted message that came in order from the other side
    24      8     a        as the kind has it, else 0
    32      8     b        as the kind has it, else 0

**Counted messages.** Both sides number their counted messages from 1, for each session and each direction. They act on
each of them once and in that order, whatever happens to connections:

* Whoever sends keeps each until its number is acknowledged by the `ack` of any message that comes back.
* Number = last one + 1: it is the next one. Number ≤ last one: it is a repetition and is dropped.
* Number > last one + 1, or a message that is not counted with a number > last one: something is missing. What came is
  dropped if it is counted, and RESEND is sent, once until the missing message comes; a HEARTBEAT that shows it is still
  missing is reason to ask again.
* RESEND is answered by all counted messages after its `ack`, in order.
* An `ack` beyond what was sent is an error: the host refuses such a session.
* Whoever has received 64 counted messages, or 8 MiB of them, since it last told its `ack` sends a HEARTBEAT; so does
  whoever received UNWANTED, ENDED, LEFT or FINISHED.

**Messages that are not counted**, from and to either side ("host" and "client" tell who sends them):

=====  ==========  =======  ===========================================================================================
kind   name        from
=====  ==========  =======  ===========================================================================================
 1     HELLO       client   Opens a session, or asks again for its WELCOME. a: 1 for a sender, 2 for a consumer.
                            body: a msgpack map of ``queue`` (str, the queue's id), ``name`` (str, who it is, for
                            errors) and, of a sender that has one, ``sender_id`` (str). Sent when a connection is
                            made, and again every second, until there is an answer
 2     WELCOME     host     Answers HELLO. a: capacity of the queue in records, 0 for no bound. b: how many items it had
                            received under the `sender_id`, in earlier sessions. body: a msgpack map of ``epoch``
                            (bytes, another one for each time the queue was hosted) and ``lost_after`` (float)
 3     REFUSED     host     The session does not exist, or no longer. a: why, see below. body: a text for people, in
                            UTF-8. b is the epoch's first 8 bytes as an integer, to tell a host that was started again
 4     HEARTBEAT   both     Tells `number` and `ack`. Sent every `lost_after` / 8 seconds. a: 1 asks for one in return,
                            as a client does when a connection was made again
 5     RESEND      both     Asks for all counted messages after `ack`
 6     BYE         client   The session is over. What it had not yet ended is lost
=====  ==========  =======  ===========================================================================================

Why a session is refused: 1 it is not known, 2 the version, 3 another queue lives here, 4 a message was not allowed
at that point or could not be read, 5 another sender came with the same `sender_id`.

**Counted messages of a sender's session:**

=====  ==========  =======  ===========================================================================================
 16    DATA        client   Items. a: how many. b: how many records they count for. body and buffers: a frame of
                            the codec. The records must have been granted
 17    WANT        client   Asks for a more places; with fewer than b nothing can be sent. Replaces an earlier request.
                            b is 0 when nothing waits to be sent yet: then the host gives what it can spare
 18    GIVE_BACK   client   Returns a places that were granted
 19    END         client   Nothing more will come
 32    GRANT       host     Grants a more places. b: how many records are in the queue
 33    RECALL      host     Others wait: what is granted and not needed now shall come back
 34    UNWANTED    host     The receiver wants nothing more; what was sent and not received is dropped
 35    ENDED       host     Answers END: everything has arrived
=====  ==========  =======  ===========================================================================================

**Counted messages of a consumer's session:**

=====  ==========  =======  ===========================================================================================
 48    DEMAND      client   It is ready for a more records
 49    TAKEN       client   The oldest a items that were delivered to it are taken
 50    LEAVE       client   It wants nothing more; what it did not take goes back
 64    DELIVER     host     Items. a: how many. b: how many records are left in the queue. body, buffers: a frame
 65    FINISHED    host     Nothing more will come
 66    LEFT        host     Answers LEAVE: everything has arrived
=====  ==========  =======  ===========================================================================================

**Order of events.** The client connects, sends HELLO and ignores everything else before WELCOME, which it answers by a
HEARTBEAT; a sender then asks for places by WANT, sends DATA within what was granted, and at the end END, waits for
ENDED, sends BYE. A side that has no connection to the other for `lost_after` seconds holds it for dead. A message that
is not of this format is dropped; a host answers one of another version, and one of a session that it does not know, by
REFUSED.
"""

import enum
from struct import Struct
from typing import Any, Final, NamedTuple

from msgpack import packb, unpackb

from sage.transports.errors import TransportError

__all__ = [
    "COUNTED",
    "HEADER",
    "Header",
    "Hello",
    "Kind",
    "Refusal",
    "Role",
    "VERSION",
    "Welcome",
    "WireError",
    "other_version",
    "pack_header",
    "unpack_header",
]

VERSION: Final = 1
MAGIC: Final = b"SAGEQ"
_HEADER: Final = Struct("<5sBBxQQQQ")
#: How long a header is, in bytes.
HEADER: Final = _HEADER.size
#: Kinds from here on are counted.
COUNTED: Final = 16
# What HELLO and WELCOME may be at most, and a text in them.
_MOST_BYTES: Final = 1 << 16
_MOST_TEXT: Final = 512


class WireError(TransportError):
    """A message that is not of this format."""


class Kind(enum.IntEnum):
    """What a message is."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    HEARTBEAT = 4
    RESEND = 5
    BYE = 6
    DATA = 16
    WANT = 17
    GIVE_BACK = 18
    END = 19
    GRANT = 32
    RECALL = 33
    UNWANTED = 34
    ENDED = 35
    DEMAND = 48
    TAKEN = 49
    LEAVE = 50
    DELIVER = 64
    FINISHED = 65
    LEFT = 66


class Role(enum.IntEnum):
    """What a session is for."""

    SENDER = 1
    CONSUMER = 2


class Refusal(enum.IntEnum):
    """Why a session is refused."""

    UNKNOWN_SESSION = 1
    OTHER_VERSION = 2
    OTHER_QUEUE = 3
    NOT_ALLOWED = 4
    REPLACED = 5


class Header(NamedTuple):
    """The first part of a message."""

    kind: int
    number: int
    ack: int
    a: int = 0
    b: int = 0


def pack_header(kind: int, number: int, ack: int, a: int = 0, b: int = 0) -> bytes:
    """The first part of a message."""
    return _HEADER.pack(MAGIC, VERSION, kind, number, ack, a, b)


def unpack_header(part: bytes | bytearray | memoryview) -> Header:
    """Read the first part of a message.

    Raises:
        WireError: it is none, or of another version; then the text says which.
    """
    if len(part) != HEADER or bytes(part[:5]) != MAGIC:
        raise WireError("not a message of this format")
    _, version, kind, number, ack, a, b = _HEADER.unpack(part)
    if version != VERSION:
        raise WireError(f"version {version} of the format is not understood, only {VERSION} is")
    return Header(kind, number, ack, a, b)


def other_version(part: bytes | bytearray | memoryview) -> bool:
    """Whether `unpack_header` refused the part only because of its version."""
    return len(part) >= 6 and bytes(part[:5]) == MAGIC and part[5] != VERSION


class Hello(NamedTuple):
    """What opens a session."""

    queue: str
    name: str
    sender_id: str | None = None

    def pack(self) -> bytes:
        """The body of HELLO."""
        return _pack(self._asdict())

    @classmethod
    def unpack(cls, body: bytes | bytearray | memoryview) -> "Hello":
        """Read the body of HELLO.

        Raises:
            WireError: it is none.
        """
        fields = _unpack(body)
        queue, name, sender_id = fields.get("queue"), fields.get("name", ""), fields.get("sender_id")
        if not isinstance(queue, str) or not isinstance(name, str) or not isinstance(sender_id, str | None):
            raise WireError("HELLO needs the name of a queue")
        return cls(queue, name[:_MOST_TEXT], sender_id)


class Welcome(NamedTuple):
    """What a session is answered."""

    epoch: bytes
    lost_after: float

    def pack(self) -> bytes:
        """The body of WELCOME."""
        return _pack(self._asdict())

    @classmethod
    def unpack(cls, body: bytes | bytearray | memoryview) -> "Welcome":
        """Read the body of WELCOME.

        Raises:
            WireError: it is none.
        """
        fields = _unpack(body)
        epoch, lost_after = fields.get("epoch"), fields.get("lost_after")
        if not isinstance(epoch, bytes) or not isinstance(lost_after, (int, float)) or not 0 < lost_after < 1e6:
            raise WireError("WELCOME needs an epoch and the limit of silence")
        return cls(epoch, lost_after)


def _pack(fields: dict[str, Any]) -> bytes:
    packed: Any = packb({name: value for name, value in fields.items() if value is not None})
    return bytes(packed)


def _unpack(body: bytes | bytearray | memoryview) -> dict[Any, Any]:
    if len(body) > _MOST_BYTES:
        raise WireError(f"a body of {len(body)} bytes where {_MOST_BYTES} are allowed")
    try:
        fields = unpackb(body, strict_map_key=False)
    except Exception as error:  # msgpack raises what it likes
        raise WireError(f"a body that is not msgpack: {error}") from error
    if not isinstance(fields, dict):
        raise WireError("a body that is not a map")
    return fields
