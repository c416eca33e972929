"""Where a host is, and what is needed to talk with it."""

from typing import NamedTuple

from sage.transports.zmq.keys import CurveClient

__all__ = ["MAX_QUEUE_PARTS", "Target"]

#: How many parts a message of a queue may have: more than a frame of the largest size the codec allows.
MAX_QUEUE_PARTS = 1 << 15


class Target(NamedTuple):
    """The host of one queue, as a client knows it.

    Attributes:
        queue: the queue's id.
        address: where the host's socket is, e.g. ``tcp://127.0.0.1:5999``.
        curve: the keys, if the host wants some.
        max_message: how many bytes one part may have.
        timeout: for how many seconds an answer is waited for, each time.
        attempts: how many times.
    """

    queue: str
    address: str
    curve: CurveClient | None
    max_message: int
    timeout: float
    attempts: int
