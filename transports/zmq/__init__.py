"""Queues and channels over ZeroMQ, between processes and between machines.

Read `wire` for what passes between the two sides, `stream` for why nothing of it is lost, `socket` for what carries it.
"""

from sage.transports.zmq.descriptor import RPCQueueDescriptor
from sage.transports.zmq.keys import CurveClient, CurveServer, KeyPair
from sage.transports.zmq.monitor import Event, EventKind
from sage.transports.zmq.socket import Socket

__all__ = ["CurveClient", "CurveServer", "Event", "EventKind", "KeyPair", "RPCQueueDescriptor", "Socket"]
