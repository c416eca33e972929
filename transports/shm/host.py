"""The host of a queue in shared memory: it listens on a Unix socket and gives each who connects a seat."""

import asyncio
import logging
import os
import socket
from contextlib import closing
from typing import Final

from sage.transports.codec import Codec
from sage.transports.remote.descriptor import Host
from sage.transports.remote.seats import ProtocolError
from sage.transports.shm.address import Peer, of_this_user, peer_of, socket_address, this_machine
from sage.transports.shm.forks import leave_behind
from sage.transports.shm.greeting import Greeting, receive_greeting, send_greeting
from sage.transports.shm.inlet import Inlet
from sage.transports.shm.messages import REFUSED, SENDER, Welcome, packed, read_hello
from sage.transports.shm.peers import ShmConsumerPeer, ShmSenderPeer
from sage.transports.shm.segment import Layout, create_segment, map_segment
from sage.transports.shm.shared_queue import SharedQueue
from sage.transports.shm.wire import Wire

__all__ = ["ShmHost"]

_logger = logging.getLogger("sage.transports")

# How many may knock while the loop is busy; the system's own limit holds as well.
_BACKLOG: Final = 4096
# How many are let in before the loop's other users get their turn.
_AT_ONCE: Final = 64
# Seconds: for the first message of who has connected; until it is tried again when no file descriptors are left; when
# the host closes, for the last messages to leave, and then for senders to take note of them.
_GREETING_PATIENCE: Final = 5.0
_EXHAUSTED_PAUSE: Final = 1.0
_CLOSING_PATIENCE: Final = 1.0

# Characters of what a peer is told that is refused.
_LONGEST_REASON: Final = 1000
_NO_MEMORY: Final = Layout(0, 0)


class ShmHost(Host):
    """Serves a queue to other processes of this machine and user.

    Args:
        name: the name of its socket.
        queue: the queue.
        codec: how items become bytes.
        layout: how the memory is divided that consumers are given.

    Raises:
        OSError: the socket cannot be bound.
    """

    def __init__(self, name: str, queue: SharedQueue, codec: Codec, layout: Layout) -> None:
        self.queue = self._queue = queue
        self.metadata = {"socket": name, "machine": this_machine()}
        self._codec = codec
        self._layout = layout
        self._loop = asyncio.get_running_loop()
        self._peers: set[ShmSenderPeer | ShmConsumerPeer] = set()
        self._greetings: set[asyncio.Task[None]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._closed = False
        self._listener = leave_behind(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        try:
            self._listener.setblocking(False)
            self._listener.bind(socket_address(name))
            self._listener.listen(_BACKLOG)
        except BaseException:
            self._listener.close()
            raise
        self._listen()

    async def aclose(self) -> None:
        """See `Host.aclose`. It waits, for a second at most, until all senders know that the queue is closed.

        Cancel safety: when cancelled, everything is closed all the same.
        """
        if self._closed:
            return
        self._closed = True
        self._stop_listening()
        self._listener.close()
        for task in self._greetings:
            task.cancel()
        try:
            if self._greetings:
                await asyncio.wait(self._greetings)
            async with asyncio.timeout(_CLOSING_PATIENCE):
                for peer in tuple(self._peers):
                    await peer.wire.flushed()
            senders = [peer.parted for peer in self._peers if isinstance(peer, ShmSenderPeer)]
            if senders:
                await asyncio.wait(senders, timeout=_CLOSING_PATIENCE)
        except TimeoutError:
            _logger.warning("queue %r (%s): somebody does not read its end", self.queue.name, self.queue.address)
        finally:
            for peer in self._peers:
                peer.close()
            self._peers.clear()

    # -- letting in --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._resuming = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self._listener.fileno())
        if self._resuming is not None:
            self._resuming.cancel()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # The listener stays readable: to try again at once would keep the loop busy.
                _logger.error("queue %r (%s) lets nobody in: %s", self.queue.name, self.queue.address, error)
                self._stop_listening()
                self._resuming = self._loop.call_later(_EXHAUSTED_PAUSE, self._listen)
                return
            self._receive(sock)

    def _receive(self, sock: socket.socket) -> None:
        peer = peer_of(sock)
        if not of_this_user(peer):
            self._log_refusal(peer, f"it runs under user {peer.uid}")
            sock.close()
            return
        sock.setblocking(False)
        task = self._loop.create_task(self._greet(leave_behind(sock), peer))
        self._greetings.add(task)
        task.add_done_callback(self._greetings.discard)

    async def _greet(self, sock: socket.socket, peer: Peer) -> None:
        """Let in who speaks the protocol; everybody else is told why not.

        Cancel safety: the connection is closed.
        """
        try:
            async with asyncio.timeout(_GREETING_PATIENCE):
                greeting = await receive_greeting(sock)
            with closing(greeting):
                self._seat(sock, peer, greeting)
        except TimeoutError:
            self._refuse(sock, peer, f"it said nothing for {_GREETING_PATIENCE:g} s")
        except (ProtocolError, ValueError, OSError) as error:
            self._refuse(sock, peer, str(error))
        except BaseException:
            sock.close()
            raise

    def _seat(self, sock: socket.socket, peer: Peer, greeting: Greeting) -> None:
        hello = read_hello(greeting.message)
        if hello.queue_id != self.queue.name:
            raise ProtocolError(f"this is queue {self.queue.name!r}, not {hello.queue_id!r}")
        wire = Wire(sock, greeting.unpacker)
        if hello.role == SENDER:
            inlet = Inlet(wire, map_segment(greeting.memory(), hello.layout), self._codec)
            self._seat_sender(sock, ShmSenderPeer(wire, peer.pid, inlet, self._queue, self._forget), hello.sender_id)
        else:
            self._seat_consumer(sock, wire, peer)

    def _seat_sender(self, sock: socket.socket, sender: ShmSenderPeer, sender_id: str | None) -> None:
        sender.seat = self.queue.seat_sender(sender, sender_id)
        welcome = Welcome(self.queue.credit.capacity, sender.seat.received, _NO_MEMORY)
        self._start(sock, sender, welcome, None)

    def _seat_consumer(self, sock: socket.socket, wire: Wire, peer: Peer) -> None:
        segment, memory = create_segment(self._layout)
        try:
            consumer = ShmConsumerPeer(wire, peer.pid, segment, self._codec, self._forget)
            consumer.seat = self.queue.seat_consumer(consumer)
            self._start(sock, consumer, Welcome(self.queue.credit.capacity, 0, self._layout), memory)
        finally:
            os.close(memory)

    def _start(
        self, sock: socket.socket, peer: ShmSenderPeer | ShmConsumerPeer, welcome: Welcome, memory: int | None
    ) -> None:
        """Answer, which comes before anything else that is told, and begin to listen."""
        self._peers.add(peer)
        try:
            send_greeting(sock, welcome.packed(), memory)
        except OSError as error:
            peer.gone(f"it left while it was let in: {error}")
        else:
            peer.wire.start(peer)

    def _forget(self, peer: ShmSenderPeer | ShmConsumerPeer) -> None:
        self._peers.discard(peer)

    def _refuse(self, sock: socket.socket, peer: Peer, reason: str) -> None:
        self._log_refusal(peer, reason)
        try:
            sock.send(packed((REFUSED, reason[:_LONGEST_REASON])))
        except OSError as error:
            _logger.debug("process %d was not told: %s", peer.pid, error)
        finally:
            sock.close()

    def _log_refusal(self, peer: Peer, reason: str) -> None:
        queue = self.queue
        _logger.warning("queue %r (%s): process %d is refused: %s", queue.name, queue.address, peer.pid, reason)
