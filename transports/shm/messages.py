"""What the two sides say to each other: the wire format of shared memory.

Each connection is a Unix stream socket (SOCK_STREAM, abstract address). Items lie in memory that whoever sends them has
made (see `segment`) and passes once, as a file descriptor (SCM_RIGHTS), beside its greeting. The socket carries small
messages one after the other, each a msgpack array; where in the memory something lies is told here and never in the
memory itself. The kernel orders what was written before a message was sent and what is read after it came.

**Greeting.** The side that connects speaks first, then the host; each greeting is one array::

    sender    ["sage-shm", 1, "sender", queue id, sender id or nil, ring, size]     + descriptor of its memory
    host      ["sage-shm", 1, "welcome", capacity or nil, received items, 0, 0]
    consumer  ["sage-shm", 1, "consumer", queue id, nil, 0, 0]
    host      ["sage-shm", 1, "welcome", capacity or nil, 0, ring, size]            + descriptor of its memory
    either    [0, reason]                                                            and closes

Both sides check that the other one runs under the same user (SO_PEERCRED).

**After it**, arrays of integers that are 0 or more; the first one tells the kind:

====  ==========  ==========================  ==========================================================================
0     REFUSED     reason (text)               the other side broke the protocol, or has to go; closes
1     FRAME       items, (offset, length)...  items, as the codec's body and the buffers beside it, in this order
2     PIECE       offset, length, left        a part of what is too large for the ring; `left` bytes of it will follow
3     FREED       regions, offset...          so many regions of the ring, and these extents of the pool, are read
4     WANT        places, least               sender: see `SenderLink.want`
5     GIVE_BACK   places                      sender: see `SenderLink.give_back`
6     END                                     sender: nothing more will come
7     GRANT       places, queued              host: see `SenderPeer.grant`
8     RECALL                                  host: see `SenderPeer.recall`
9     UNWANTED                                host: the receiver wants nothing more
10    ENDED                                   host: the end has arrived
11    DEMAND      records                     consumer: see `ConsumerLink.want`
12    ACK         items                       consumer: see `ConsumerLink.acknowledge`
13    LEAVE                                   consumer: it wants nothing more
14    TOLD        queued                      host: so many records are left in the queue
15    FINISHED                                host: nothing more will come
16    LEFT                                    host: the leave has arrived
17    NEED                                    who sends items: the pool is full; tell when you have taken everything
18    HELD                                    who reads them: everything was taken, and what is not freed is kept
====  ==========  ==========================  ==========================================================================

The offset of a part tells where it lies: below `ring`, in the frame's region of the ring; below `size`, in an extent of
the pool, which begins there; at `size`, nowhere in the memory: it came in pieces before, and so did all others like it,
in this order. A frame has one region if any bytes of it lie in the ring, and a piece has one. Regions are given back in
the order in which they came.
"""

from typing import Any, Final, NamedTuple, cast

from msgpack import Packer, Unpacker

from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.segment import Layout

__all__ = [
    "ACK",
    "CONSUMER",
    "DEMAND",
    "END",
    "ENDED",
    "FINISHED",
    "FRAME",
    "FREED",
    "GIVE_BACK",
    "GRANT",
    "HELD",
    "LEAVE",
    "LEFT",
    "NEED",
    "PIECE",
    "RECALL",
    "REFUSED",
    "SENDER",
    "TOLD",
    "UNWANTED",
    "WANT",
    "WELCOME",
    "Hello",
    "Welcome",
    "checked",
    "new_unpacker",
    "packed",
    "read_hello",
    "read_welcome",
]

REFUSED: Final = 0
FRAME: Final = 1
PIECE: Final = 2
FREED: Final = 3
WANT: Final = 4
GIVE_BACK: Final = 5
END: Final = 6
GRANT: Final = 7
RECALL: Final = 8
UNWANTED: Final = 9
ENDED: Final = 10
DEMAND: Final = 11
ACK: Final = 12
LEAVE: Final = 13
TOLD: Final = 14
FINISHED: Final = 15
LEFT: Final = 16
NEED: Final = 17
HELD: Final = 18

# How many numbers follow the kind; the other kinds have a number that varies.
_COUNTS: Final = {
    PIECE: 3,
    WANT: 2,
    GIVE_BACK: 1,
    END: 0,
    GRANT: 2,
    RECALL: 0,
    UNWANTED: 0,
    ENDED: 0,
    DEMAND: 1,
    ACK: 1,
    LEAVE: 0,
    TOLD: 1,
    FINISHED: 0,
    LEFT: 0,
    NEED: 0,
    HELD: 0,
}

_PROTOCOL: Final = "sage-shm"
_VERSION: Final = 1
SENDER: Final = "sender"
CONSUMER: Final = "consumer"
WELCOME: Final = "welcome"

# Bytes of a text, numbers in a message, and bytes that may have come of one that is not complete.
_LONGEST_TEXT: Final = 4096
_MOST_NUMBERS: Final = 1 << 17
_MOST_BYTES: Final = 1 << 21

# A packer may be used by one thread at a time, and for what is as quick as this holds the interpreter all along.
packed = Packer(buf_size=1 << 16).pack


class Hello(NamedTuple):
    """What the side that connects says."""

    role: str
    queue_id: str
    sender_id: str | None
    layout: Layout

    def packed(self) -> bytes:
        """As bytes."""
        return cast(bytes, packed([_PROTOCOL, _VERSION, self.role, self.queue_id, self.sender_id, *self.layout]))


class Welcome(NamedTuple):
    """What the host answers."""

    capacity: int | None
    received: int
    layout: Layout

    def packed(self) -> bytes:
        """As bytes."""
        return cast(bytes, packed([_PROTOCOL, _VERSION, WELCOME, self.capacity, self.received, *self.layout]))


def new_unpacker() -> Unpacker:
    """What splits the bytes of a socket into messages; it makes nothing larger than a message may be."""
    return Unpacker(
        use_list=False,
        max_buffer_size=_MOST_BYTES,
        max_str_len=_LONGEST_TEXT,
        max_bin_len=0,
        max_array_len=_MOST_NUMBERS,
        max_map_len=0,
        max_ext_len=0,
    )


def read_hello(greeting: object) -> Hello:
    """Check what the side that connects said.

    Raises:
        ProtocolError: it is no hello of this version.
    """
    match _fields(greeting):
        case ("sender" | "consumer") as role, str(queue_id), (str() | None) as sender_id, int(ring), int(size):
            return Hello(role, queue_id, sender_id, Layout(ring, size))
    raise ProtocolError("it does not say what it wants")


def read_welcome(greeting: object) -> Welcome:
    """Check what the host answered.

    Raises:
        ProtocolError: it refused, or it is no welcome of this version.
    """
    match greeting:
        case (0, str(reason)):
            raise ProtocolError(f"it refused: {reason}")
    match _fields(greeting):
        case "welcome", (int() | None) as capacity, int(received), int(ring), int(size):
            return Welcome(capacity, received, Layout(ring, size))
    raise ProtocolError("it does not answer as a host does")


def _fields(greeting: object) -> tuple[Any, ...]:
    match greeting:
        case ("sage-shm", 1, *fields):
            return tuple(fields)
        case ("sage-shm", version, *_):
            raise ProtocolError(f"it speaks version {version!r} of the protocol, and this is version {_VERSION}")
    raise ProtocolError("it does not speak this protocol")


def checked(message: Any) -> tuple[int, ...]:
    """A message after the greeting, if it is one: its kind and its numbers.

    Raises:
        ProtocolError: it is none, or the other side told that it refuses.
    """
    if type(message) is not tuple or not message:
        raise ProtocolError("it sent something that is no message")
    kind = message[0]
    if kind == REFUSED and len(message) == 2:
        raise ProtocolError(f"it refused: {message[1]}")
    for number in message:
        if type(number) is not int or number < 0:
            raise ProtocolError("it sent a message of other things than numbers")
    if kind == FRAME:
        fits = len(message) >= 4 and not len(message) % 2
    elif kind == FREED:
        fits = len(message) >= 2
    else:
        fits = _COUNTS.get(kind) == len(message) - 1
    if not fits:
        raise ProtocolError(f"it sent a message of kind {kind} with {len(message) - 1} numbers")
    return message
