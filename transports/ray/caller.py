"""One end of the queue, as the actor knows it: what it says is put in order, and what it is told waits to be fetched.

Ray starts the calls of an end in any order, and cannot call back. So its messages are numbered, and it keeps a few
`listen` calls parked here, which are answered, in order, as soon as there is something to tell.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from sage.transports.codec import Items
from sage.transports.ray.frame_queue import FrameQueue, FrameSeat, Taker
from sage.transports.ray.standing import Standing
from sage.transports.remote import ProtocolError, SenderPeer, SenderSeat

__all__ = ["LISTENS", "WORTH_A_CALL", "Answer", "Consumer", "Message", "Sender"]

Seat = TypeVar("Seat", SenderSeat, FrameSeat)

#: The name of what is said, and its arguments.
Message = tuple[Any, ...]

#: How many calls of `listen` an end keeps parked.
LISTENS = 2
#: A call costs a good half millisecond, whatever it carries: what has fewer bytes waits while another is under way, and
#: so more comes together. Without that, small pieces go round in a queue that holds little, and never grow.
WORTH_A_CALL = 1 << 16

# News of no consequence, the length of the queue, are told this often at most: an answer costs a good half millisecond.
_NEWS_SECONDS = 0.05


class Answer(NamedTuple):
    """What a parked `listen` is answered."""

    events: list[Message]
    standing: Standing


class Caller(Generic[Seat]):
    """What both kinds of ends have in common.

    Args:
        queue: the queue.
        who: the end's process, for errors.
        gone: called once, when the end has left or is lost.
    """

    seat: Seat

    def __init__(self, queue: FrameQueue, who: str, gone: Callable[[], None]) -> None:
        self.queue = queue
        self.who = who
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        # Messages: the next number, and those that came before their turn.
        self._next = 0
        self._turns: dict[int, asyncio.Future[None]] = {}
        # Answers: the number of the next one, and the calls that wait for theirs.
        self._answer = 0
        self._parked: dict[int, asyncio.Future[Answer]] = {}
        self._events: list[Message] = []
        self._events_bytes = 0
        self._telling = False
        self._news: asyncio.TimerHandle | None = None
        # The news were due while no call was parked: the next one is answered with them.
        self._overdue = False
        #: The end has left, or is lost.
        self.over = False

    async def submit(self, number: int, messages: list[Message]) -> Standing:
        """Do what the end says, when all it said before is done.

        Raises:
            ProtocolError: it may not say that; it is put out.
        """
        if number != self._next:
            self._turns[number] = self._loop.create_future()
            await self._turns[number]
        self._next += 1
        try:
            for name, *arguments in messages:
                if not self.over:
                    self.hear(name, arguments)
            return self.queue.standing(self.seat)
        except (ProtocolError, ValueError) as error:
            self.lost(str(error))
            raise
        finally:
            turn = self._turns.pop(self._next, None)
            if turn is not None:
                turn.set_result(None)

    async def listen(self, number: int) -> Answer:
        """Wait for something to tell."""
        if self.over:
            return Answer([], self.queue.standing(self.seat))
        parked: asyncio.Future[Answer] = self._loop.create_future()
        self._parked[number] = parked
        if self._events or self._overdue:
            self._tell_soon()
        return await parked

    def hear(self, name: str, arguments: list[Any]) -> None:
        """Do one thing that the end says.

        Raises:
            ProtocolError: it may not say that.
        """
        if name != "leave":
            raise ProtocolError(f"says {name!r}")
        self.leave()

    def tell(self, *event: Any, nbytes: int = 0) -> None:
        """Tell the end, together with all else that happens in this turn of the loop."""
        self._events.append(event)
        self._events_bytes += nbytes
        self._tell_soon()

    def news(self) -> None:
        """The queue has changed: tell the end how it stands, before long."""
        if self._news is None and not self.over:
            self._news = self._loop.call_later(_NEWS_SECONDS, self._tell_news)

    def leave(self) -> None:
        """The end wants nothing more."""
        self._over()

    def lost(self, reason: str) -> None:
        """The end went away without a word, or is put out."""
        self._over()

    def _over(self) -> None:
        if self.over:
            return
        self.over = True
        if self._news is not None:
            self._news.cancel()
        self._flush()
        for parked in self._parked.values():
            parked.set_result(Answer([], self.queue.standing(self.seat)))
        self._parked.clear()
        for turn in self._turns.values():  # what was said too early is not done any more
            turn.set_result(None)
        self._turns.clear()
        self._gone()

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        worth = self._events and (len(self._parked) == LISTENS or self._events_bytes >= WORTH_A_CALL)
        if worth or self._overdue:
            self._flush()

    def _tell_news(self) -> None:
        self._news = None
        self._overdue = True
        self._flush()

    def _flush(self) -> None:
        parked = self._parked.pop(self._answer, None)
        if parked is not None:
            self._answer += 1
            self._overdue = False
            events, self._events, self._events_bytes = self._events, [], 0
            parked.set_result(Answer(events, self.queue.standing(self.seat)))


class Sender(Caller[SenderSeat], SenderPeer):
    """An end that sends."""

    def __init__(self, queue: FrameQueue, who: str, gone: Callable[[], None]) -> None:
        super().__init__(queue, who, gone)
        self.seat = queue.seat_sender(self)

    def hear(self, name: str, arguments: list[Any]) -> None:
        """See `Caller.hear`."""
        if name == "send":
            parcel, records = arguments
            self.seat.arrived(Items([parcel], [records]))
        elif name == "want":
            self.seat.wants(*arguments)
        elif name == "give_back":
            self.seat.gave_back(*arguments)
        elif name == "end":
            self.seat.ended()
        else:
            super().hear(name, arguments)

    def describe(self) -> str:
        """See `SenderPeer.describe`."""
        return self.who

    def grant(self, places: int, queued: int) -> None:
        """See `SenderPeer.grant`."""
        self.tell("granted", places, queued)

    def recall(self) -> None:
        """See `SenderPeer.recall`."""
        self.tell("recalled")

    def unwanted(self) -> None:
        """See `SenderPeer.unwanted`."""
        self.tell("unwanted")

    def leave(self) -> None:
        """See `Caller.leave`: without an end before, it was cut off."""
        self.seat.lost("it was closed before all it had to send was sent")
        super().leave()

    def lost(self, reason: str) -> None:
        """See `Caller.lost`."""
        self.seat.lost(reason)
        super().lost(reason)


class Consumer(Caller[FrameSeat], Taker):
    """An end that takes."""

    def __init__(self, queue: FrameQueue, who: str, gone: Callable[[], None], hosts: bool) -> None:
        super().__init__(queue, who, gone)
        self._finished = False
        self.seat = queue.seat_taker(self, hosts)

    def hear(self, name: str, arguments: list[Any]) -> None:
        """See `Caller.hear`."""
        if name == "want":
            self.seat.wants(*arguments)
        elif name == "took":
            self.seat.took(*arguments)
        elif name == "put_back":
            self.seat.put_back(*arguments)
        else:
            super().hear(name, arguments)

    def describe(self) -> str:
        """See `ConsumerPeer.describe`."""
        return self.who

    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        """See `ConsumerPeer.deliver`."""
        self.tell("delivered", items, nbytes=sum([item.nbytes for item, _ in items]))

    def recall(self) -> None:
        """See `Taker.recall`."""
        self.tell("recalled")

    def warn(self, message: str) -> None:
        """See `Taker.warn`."""
        self.tell("warned", message)

    def finished(self) -> None:
        """See `ConsumerPeer.finished`."""
        if not self._finished:
            self._finished = True
            self.tell("finished")

    def leave(self) -> None:
        """See `Caller.leave`: what it did not acknowledge goes back."""
        self.seat.left()
        super().leave()

    def lost(self, reason: str) -> None:
        """See `Caller.lost`."""
        self.seat.left()
        super().lost(reason)
