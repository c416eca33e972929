"""What all ZeroMQ sockets of a process share: the context, and who says which CURVE keys may come in.

CURVE by itself lets in every client that knows the server's public key. Who else may not is said over ZAP, the protocol
by which libzmq asks a handler in the same context for each connection that is being made (https://rfc.zeromq.org/spec/27).
The handler is a thread of its own, so that an event loop that is busy for a while refuses nobody.
"""

import logging
import os
import threading
from itertools import count

import zmq
from zmq.utils import z85

__all__ = ["Zap", "zmq_context", "zmq_zap"]

_logger = logging.getLogger("sage.transports")


class Zap:
    """Answers, for all servers of one context, whether a client may come in.

    Args:
        context: the context whose servers ask.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        # By domain, which is a server socket's own: the public keys it lets in, `None` for every key. Entries are set
        # and removed as a whole, so the thread sees one or none.
        self._clients: dict[bytes, frozenset[bytes] | None] = {}
        self._numbers = count(1)
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind("inproc://zeromq.zap.01")
        # A daemon: it waits in libzmq, which wakes it only when the context ends, and that is when the process does.
        threading.Thread(target=self._answer, name="sage-zap", daemon=True).start()

    def admit(self, clients: frozenset[str] | None) -> bytes:
        """Let `clients` in; return the domain that the server socket has to set."""
        domain = f"sage-{next(self._numbers)}".encode()
        self._clients[domain] = None if clients is None else frozenset(z85.decode(key) for key in clients)
        return domain

    def forget(self, domain: bytes) -> None:
        """The server of this domain is closed."""
        self._clients.pop(domain, None)

    def _answer(self) -> None:
        while True:
            try:
                request = self._socket.recv_multipart()
                self._socket.send_multipart(self._reply(request))
            except zmq.ContextTerminated:
                self._socket.close()
                return

    def _reply(self, request: list[bytes]) -> list[bytes]:
        if len(request) < 6:
            return [b"1.0", b"", b"500", b"not a ZAP request", b"", b""]
        number, domain, peer = request[1], request[2], request[3]
        if self._may_enter(domain, request[5], request[6:]):
            return [b"1.0", number, b"200", b"OK", b"", b""]
        _logger.warning("a client at %s was refused: its CURVE key is not among those let in", peer.decode("latin-1"))
        return [b"1.0", number, b"400", b"this key is not let in", b"", b""]

    def _may_enter(self, domain: bytes, mechanism: bytes, credentials: list[bytes]) -> bool:
        if mechanism != b"CURVE" or not credentials or domain not in self._clients:
            return False
        clients = self._clients[domain]
        return clients is None or credentials[0] in clients


class _Process:
    """The context of the process `pid`, and its handler once there is a server that needs it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 65_535)
        self.zap: Zap | None = None


_lock = threading.Lock()
_process: _Process | None = None
# Those of a parent process, kept from the collector: closing them here would disturb the parent's threads.
_inherited: list[_Process] = []


def _this_process() -> _Process:
    global _process
    if _process is None or _process.pid != os.getpid():
        if _process is not None:
            _inherited.append(_process)
        _process = _Process()
    return _process


def zmq_context() -> zmq.Context[zmq.Socket[bytes]]:
    """The context of this process; a forked child has one of its own. It lives as long as the process."""
    with _lock:
        return _this_process().context


def zmq_zap() -> Zap:
    """Who is asked for CURVE clients in this process's context."""
    with _lock:
        process = _this_process()
        if process.zap is None:
            process.zap = Zap(process.context)
        return process.zap
