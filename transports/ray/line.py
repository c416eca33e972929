"""An end's line to the actor that holds its queue: messages one way, events the other, both in order.

Messages of one turn of the loop leave together; while a few calls are under way, more gather behind them, so a busy
line makes few calls with much in each.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol, Self

from sage.transports.errors import BrokenChannel, ChannelError, ConnectError
from sage.transports.ray.actor import Joined
from sage.transports.ray.caller import LISTENS, WORTH_A_CALL, Answer, Message
from sage.transports.ray.cluster import load_ray
from sage.transports.ray.standing import Board, Standing

__all__ = ["Line", "LineEvents"]

# Calls under way: enough that the actor always has one to work on. What is small waits while there is one.
_SUBMITS = 3
# A sender pauses while so many bytes wait to be handed to Ray.
_CONGESTED = 8 << 20


class LineEvents(Protocol):
    """Who has a line."""

    def heard(self, event: Message) -> None:
        """The actor tells something."""

    def stands(self, standing: Standing) -> None:
        """The queue stands like this."""

    def uncongested(self) -> None:
        """`Line.congested` is over."""

    def broken(self, error: ChannelError) -> None:
        """The actor is gone."""


class Line:
    """One end's connection to the actor.

    Args:
        actor: the actor's handle.
        board: where this process gathers how the queue stands.
        name: the channel's name.
        address: where its queue lives.

    Attributes:
        board: the same.
    """

    def __init__(self, actor: Any, board: Board, name: str, address: str) -> None:
        self._actor = actor
        self.board = board
        self._name = name
        self._address = address
        self._end = os.urandom(8).hex()
        self._loop = asyncio.get_running_loop()
        self._ray = load_ray()
        # Not answered before this end is gone.
        self._held: Any = None
        self._events: LineEvents | None = None
        self._outbox: list[Message] = []
        self._outbox_bytes = 0
        self._confirmations: list[Callable[[], None]] = []
        self._submitting = False
        self._number = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None
        self._leaving = False
        self._broken = False
        # Answers that were heard.
        self._heard = 0
        self._stamp = 0
        #: Done when the line is down.
        self._down: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def to(cls, actor: Any, board: Board, name: str, address: str, role: str) -> tuple[Self, int | None]:
        """A line to the actor, and the queue's capacity.

        Cancel safety: when cancelled, nothing stays open.

        Raises:
            ConnectError: the actor is gone, or is about to go.
        """
        line = cls(actor, board, name, address)
        line._held = actor.hold.remote(line._end)
        joining: asyncio.Future[Joined | None] = asyncio.ensure_future(
            actor.join.remote(line._end, role, _who(line._ray), [line._held])
        )
        try:
            joined = await asyncio.shield(joining)
        except line._ray.exceptions.RayError as error:
            raise ConnectError(_reason(error), channel=name, address=address) from error
        except asyncio.CancelledError:
            joining.add_done_callback(line._leave_again)
            raise
        if joined is None:
            raise ConnectError("its host is closing it", channel=name, address=address)
        return line, joined.capacity

    def start(self, events: LineEvents) -> None:
        """Tell what comes from now on to `events`."""
        self._events = events
        self._listening = self._loop.create_task(self._listen(events))

    @property
    def congested(self) -> bool:
        """Whether so many bytes wait that a sender shall pause."""
        return self._outbox_bytes > _CONGESTED

    @property
    def idle(self) -> bool:
        """Whether all that was said is done."""
        return not (self._outbox or self._under_way)

    def post(self, *message: Any, nbytes: int = 0, then: Callable[[], None] | None = None) -> None:
        """Say something, and have `then` called when it is done; nothing happens once the line is down."""
        if self._broken or self._leaving:
            return
        self._outbox.append(message)
        self._outbox_bytes += nbytes
        if then is not None:
            self._confirmations.append(then)
        if not self._submitting:
            self._submitting = True
            self._loop.call_soon(self._submit_soon)

    def close(self) -> None:
        """Say, behind all else, that this end is gone. Closing twice is harmless."""
        if not (self._leaving or self._broken):
            self.post("leave", then=self._left)
            self._leaving = True

    async def closed(self) -> None:
        """Wait until the line is down.

        Cancel safety: it goes down all the same.
        """
        await asyncio.shield(self._down)

    def _leave_again(self, joining: "asyncio.Future[Joined | None]") -> None:
        """Nobody waits for the seat any more."""
        if not joining.cancelled() and joining.exception() is None and joining.result() is not None:
            self._actor.submit.remote(self._end, 0, [("leave",)])
        self._held = None

    def _left(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        self._held = None
        if not self._down.done():
            self._down.set_result(None)

    def _submit_soon(self) -> None:
        self._submitting = False
        self._submit()

    def _submit(self) -> None:
        most = _SUBMITS if self._outbox_bytes >= WORTH_A_CALL else 1
        if not self._outbox or len(self._under_way) >= most or self._broken:
            return
        messages, self._outbox = self._outbox, []
        confirmations, self._confirmations = self._confirmations, []
        was_congested, self._outbox_bytes = self.congested, 0
        answer = self._actor.submit.remote(self._end, self._number, messages)
        self._number += 1
        task = self._loop.create_task(self._confirm(answer, confirmations))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if was_congested and self._events is not None:
            self._events.uncongested()

    async def _confirm(self, answer: Any, confirmations: list[Callable[[], None]]) -> None:
        """Wait until messages are done."""
        try:
            standing = await answer
        except self._ray.exceptions.RayError as error:
            self._break(error)
            return
        task = asyncio.current_task()
        assert task is not None
        self._under_way.discard(task)
        self._stands(standing)
        for confirm in confirmations:
            confirm()
        self._submit()

    async def _listen(self, events: LineEvents) -> None:
        """Fetch what the actor has to tell, with a few calls parked there."""
        parked = deque(self._actor.listen.remote(self._end, number) for number in range(LISTENS))
        while True:
            try:
                answer: Answer | None = await parked.popleft()
            except self._ray.exceptions.RayError as error:
                self._break(error)
                return
            if answer is None:  # the actor has put this end out
                return
            parked.append(self._actor.listen.remote(self._end, self._heard + LISTENS))
            self._heard += 1
            self._stands(answer.standing)
            for event in answer.events:
                if event[0] == "closed":
                    self.close()
                else:
                    events.heard(event)

    def _stands(self, standing: Standing | None) -> None:
        if standing is not None and standing.stamp > self._stamp and self._events is not None:
            self._stamp = standing.stamp
            self.board.see(standing)
            self._events.stands(standing)

    def _break(self, error: Exception) -> None:
        """The actor is gone, or refuses this end: nothing more can be said or heard."""
        if self._broken:
            return
        self._broken = True
        self._outbox.clear()
        if self._events is not None and not self._leaving:
            peer = f"the Ray actor of queue {self._name!r}"
            told = f"{peer} is gone: {_reason(error)}"
            self._events.broken(BrokenChannel(told, channel=self._name, address=self._address, peer=peer))
        self._left()


def _reason(error: Exception) -> str:
    """What Ray says, without the table behind it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines and "actor is dead" in lines[-1] else (lines[0] if lines else type(error).__name__)


def _who(ray: ModuleType) -> str:
    """This process, as others are told of it."""
    context = ray.get_runtime_context()
    actor = context.get_actor_id()
    role = f" (Ray actor {actor})" if actor else ""
    return f"process {os.getpid()} on {ray.util.get_node_ip_address()}{role}"
