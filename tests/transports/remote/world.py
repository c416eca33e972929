"""A hosted queue with ends near and far, and what was sent and received: what random histories are played on."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from sage.transports import (
    BrokenChannel,
    ClosedChannel,
    EndOfChannel,
    ReceiverClosed,
    SendChannel,
)
from sage.transports.codec import Codec
from sage.transports.remote import HostedQueue, HostedSender, RemoteSender
from sage.transports.remote.descriptor import HostReceiver
from sage.transports.remote.seats import _Request
from tests.transports.remote.loopback import LoopbackHost, LoopbackSenderLink

__all__ = ["Item", "Player", "World", "turns"]


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Item(NamedTuple):
    """What is sent: by whom, the how manieth of theirs, and how many records it counts for."""

    player: int
    number: int
    size: int


class Player:
    """One sender, what it is trying to send, and what was accepted from it, in order."""

    def __init__(self, number: int, sender: SendChannel[Any]) -> None:
        self.number = number
        self.sender = sender
        self.accepted: list[Item] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.sizes: dict[asyncio.Task[None], int] = {}
        self.closing: asyncio.Task[None] | None = None
        self.is_cut = False
        self.is_lost = False
        self._made = 0

    @property
    def link(self) -> LoopbackSenderLink | None:
        if not isinstance(self.sender, RemoteSender):
            return None
        assert isinstance(self.sender._link, LoopbackSenderLink)
        return self.sender._link

    @property
    def missing(self) -> int:
        """How many places its first send in line waits for."""
        assert isinstance(self.sender, RemoteSender)
        return self.sender._purse.missing

    def start_send(self, size: int) -> None:
        task = asyncio.create_task(self._send(self._next(size)))
        self.tasks.append(task)
        self.sizes[task] = size

    @property
    def pending_sizes(self) -> list[int]:
        return [size for task, size in self.sizes.items() if not task.done()]

    async def _send(self, item: Item) -> None:
        try:
            await self.sender.send(tuple(item), item.size)
        except (ClosedChannel, ReceiverClosed, BrokenChannel):
            return
        self.accepted.append(item)

    def try_send(self, size: int) -> bool:
        item = self._next(size)
        try:
            sent = self.sender.try_send(tuple(item), size)
        except (ClosedChannel, ReceiverClosed, BrokenChannel):
            return False
        if sent:
            self.accepted.append(item)
        return sent

    def cancel(self, which: int) -> None:
        pending = [task for task in self.tasks if not task.done()]
        if pending:
            pending[which % len(pending)].cancel()

    def start_close(self) -> None:
        if self.closing is None:
            self.closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        try:
            await self.sender.aclose()
        except BrokenChannel:
            assert self.is_cut

    def cut(self) -> None:
        if self.link is not None and self.link.connection.alive:
            self.is_cut = True
            self.is_lost = not self.link.seat.gone  # otherwise its end had arrived
            self.link.connection.cut()

    def _next(self, size: int) -> Item:
        self._made += 1
        return Item(self.number, self._made, size)


class World:
    """A queue, its receiver, one sender beside it and some elsewhere.

    Attributes:
        received: items in order; the errors that were told in between are in `told`.
        held: items that were drained and not released yet, with what is left of their places.
    """

    def __init__(self, capacity: int | None, delays: Iterable[int]) -> None:
        self.capacity = capacity
        self.host = LoopbackHost(HostedQueue("orders", "loop://", capacity))
        self.receiver: HostReceiver[Any] = HostReceiver(self.host)
        self.queue = self.host.queue
        self.players = [Player(0, HostedSender(self.queue))]
        for delay in delays:
            self.host.delay = delay
            self.players.append(Player(len(self.players), self._far_sender()))
        self.received: list[Item] = []
        self.told: list[BrokenChannel] = []
        self.held: list[list[int]] = []
        self.ended = False

    def _far_sender(self) -> SendChannel[Any]:
        codec = Codec()
        link, capacity, received = self.host.connect_sender(codec)
        return RemoteSender("orders", "loop://", capacity, link, codec, received)

    # -- what the receiver does ----------------------------------------------------------------------------------------

    def drain(self) -> None:
        try:
            items = self.receiver.drain()
        except BrokenChannel as error:
            self.told.append(error)
            return
        except EndOfChannel:
            self.ended = True
            return
        for item in items:
            self.received.append(Item(*item))
            self.held.append([item[2]])

    def release(self, most: int) -> None:
        size = min(most, self.places_held)
        self.receiver.release(size)
        while size:
            part = min(size, self.held[0][0])
            self.held[0][0] -= part
            size -= part
            if not self.held[0][0]:
                self.held.pop(0)
        while self.held and not self.held[0][0]:
            self.held.pop(0)

    @property
    def places_held(self) -> int:
        return sum(left for (left,) in self.held)

    # -- what must always be so ----------------------------------------------------------------------------------------

    def check(self) -> None:
        assert self.host.problems == []
        queued = [size for _, size in self.queue.items if size]
        held = [left for (left,) in self.held if left]
        taken = sum(queued) + sum(held)
        # A send beside the queue that was granted, and whose task has not run since, has its places too.
        granted = self.queue.credit.used - self.queue.lender.lent - taken
        assert 0 <= granted <= (sum(self.players[0].pending_sizes) if granted else 0)
        assert self.receiver.statistics().used == taken + granted
        assert self.queue.queued == sum(queued)
        assert self.queue.lender.lent == sum(seat.lent for seat in self.queue.lender.borrowers)
        if self.capacity is not None:
            assert taken <= self.capacity or len(queued) + len(held) == 1, "the bound holds"

    # -- how it must end -----------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Let everything go its way: each send is done, or is refused as its sender is closed or cut."""
        self.let_go()
        idle = 0
        while not self.ended:
            before = len(self.received), len(self.told)
            self.drain()
            self.release(self.places_held)
            self.check()
            await turns(1)
            for player in self.players:
                if all(task.done() for task in player.tasks):
                    player.start_close()
            idle = 0 if before != (len(self.received), len(self.told)) else idle + 1
            assert idle < 500, f"nothing moves any more: {self.state()}"
        for player in self.players:
            player.start_close()
        await turns(200)
        self.release(self.places_held)
        for player in self.players:
            assert player.closing is not None
            for task in (*player.tasks, player.closing):
                assert task.done(), f"waits forever: {self.state()}"
                assert task.cancelled() or task.exception() is None
        await self.receiver.aclose()

    def let_go(self) -> None:
        for player in self.players:
            if player.link is not None and player.link.connection.alive:
                player.link.connection.there.let_go()
                player.link.connection.back.let_go()
                player.link.congest(False)

    async def rest(self) -> None:
        """Let everything arrive: whoever waits then, waits because there is no room, and nobody sits on any."""
        self.let_go()
        await turns(200)
        self.check()
        for request in self.queue.credit.line:
            if isinstance(request, _Request):
                missing = self._player_of(request.sender).missing
                assert request.places in (1, missing), f"{request.places} are asked for, but {missing} needed"
        pending = [player.number for player in self.players if player.pending_sizes]
        if pending:
            credit = self.queue.credit
            assert credit.waiting, f"{pending} wait for nothing: {self.state()}"
            assert self.queue.lender.lent == 0, f"places lie idle while {pending} wait: {self.state()}"
            first = next(iter(credit.line.values()))
            assert self.capacity is not None
            assert credit.used + first > max(self.capacity, first), f"the first in line would fit: {self.state()}"

    def _player_of(self, seat: object) -> Player:
        return next(player for player in self.players if player.link is not None and player.link.seat is seat)

    def state(self) -> str:
        credit = self.queue.credit
        lines = [f"used={credit.used} lent={self.queue.lender.lent} waiting={list(credit.line)}"]
        for player in self.players:
            pending = [task for task in player.tasks if not task.done()]
            purse = getattr(player.sender, "_purse", None)
            lines.append(
                f"{player.number}: pending={len(pending)} available={purse and purse.available} "
                f"line={purse and purse.line}"
            )
        return "; ".join(lines)

    def check_outcome(self) -> None:
        """Nothing was lost, repeated or out of place; and the loss of a sender was told once."""
        for player in self.players:
            mine = [item for item in self.received if item.player == player.number]
            if player.is_lost:
                assert mine == player.accepted[: len(mine)]
            else:
                assert mine == player.accepted
        cut = [player.number for player in self.players if player.is_lost]
        assert sorted(error.peer for error in self.told) == sorted(f"sender {number - 1}" for number in cut)
        assert self.queue.credit.used == 0
        assert self.queue.lender.lent == 0
