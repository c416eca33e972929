"""The actor's side, without Ray: what its methods do when ends call them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sage.transports.codec import Codec, FrameWriter
from sage.transports.ray.actor import QueueActor
from sage.transports.ray.caller import LISTENS, Message
from sage.transports.ray.parcels import Loss, Parcel
from sage.transports.remote import ProtocolError


class End:
    """An end as its process would call the actor."""

    def __init__(self, actor: QueueActor, name: str) -> None:
        self.actor = actor
        self.name = name
        #: What Ray would tell: done when the end is gone, failed when its process died.
        self.process: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.number = 0
        self.heard: list[Message] = []
        self.listening: list[asyncio.Task[None]] = []

    async def join(self, role: str) -> None:
        assert await self.actor.join(self.name, role, f"process of {self.name}", [self.process]) is not None
        self.listening = [asyncio.create_task(self.listen(number)) for number in range(LISTENS)]

    async def listen(self, number: int) -> None:
        while (answer := await self.actor.listen(self.name, number)) is not None:
            self.heard += answer.events
            number += LISTENS

    async def say(self, *messages: Message) -> None:
        self.number += 1
        await self.actor.submit(self.name, self.number - 1, list(messages))
        await settle()

    def died(self) -> None:
        self.process.set_exception(OSError("the process died"))

    def frames(self) -> list[Any]:
        return [frame for kind, *arguments in self.heard if kind == "delivered" for frame, _ in arguments[0]]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Ends:
    """An actor with a queue of 10 places, and the ends that called it."""

    def __init__(self) -> None:
        self.actor = QueueActor("orders", "ray://sage/orders", 10)
        self.ends: list[End] = []

    async def open(self, role: str) -> End:
        end = End(self.actor, f"{role} {len(self.ends)}")
        self.ends.append(end)
        await end.join(role)
        return end

    async def aclose(self) -> None:
        for end in self.ends:
            for task in end.listening:
                task.cancel()
        watches = list(self.actor._watches)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


@asynccontextmanager
async def opened() -> AsyncIterator[Ends]:
    ends = Ends()
    try:
        yield ends
    finally:
        await ends.aclose()


def frame(*items: int) -> tuple[str, Parcel, int]:
    """The message that sends these."""
    writer = FrameWriter(Codec())
    writer.pack_many(list(items))
    packed = writer.take()
    return "send", Parcel.of(packed), packed.records


def items(frames: list[Any]) -> list[int]:
    return [item for parcel in frames for item in Codec().decode_items(parcel.body, parcel.buffers)[0][parcel.skip :]]


async def test_what_comes_out_of_order_is_done_in_order() -> None:
    async with opened() as ends:
        sender, taker = await ends.open("sender"), await ends.open("host")
        await taker.say(("want", 10))
        await sender.say(("want", 10, 0))
        later = asyncio.create_task(ends.actor.submit(sender.name, 2, [frame(3, 4)]))
        await settle()
        assert not later.done()
        await ends.actor.submit(sender.name, 1, [frame(1, 2)])
        await later
        await settle()
        assert items(taker.frames()) == [1, 2, 3, 4]


async def test_an_end_that_breaks_the_rules_is_put_out() -> None:
    async with opened() as ends:
        sender, taker = await ends.open("sender"), await ends.open("host")
        await taker.say(("want", 1))
        with pytest.raises(ProtocolError, match="sends 2 records with room for 0"):
            await ends.actor.submit(sender.name, 0, [frame(1, 2)])
        await settle()
        [loss] = taker.frames()
        assert isinstance(loss, Loss)
        assert loss.message == f"process of {sender.name} went away: sends 2 records with room for 0"
        assert await ends.actor.submit(sender.name, 1, [frame(1)]) is None


@pytest.mark.parametrize(
    "message", [("took", 1, 1), ("took", 0, 11), ("put_back", 0, 1), ("want", 0), ("send", None, 1), ("nonsense",)]
)
async def test_a_consumer_cannot_give_what_it_was_not_given(message: Message) -> None:
    async with opened() as ends:
        taker = await ends.open("consumer")
        with pytest.raises((ProtocolError, ValueError)):
            await ends.actor.submit(taker.name, 0, [message])
        assert await ends.actor.listen(taker.name, LISTENS) is None


async def test_what_a_dead_consumer_has_not_acknowledged_goes_to_another() -> None:
    async with opened() as ends:
        sender, dying, other = [await ends.open(role) for role in ("sender", "consumer", "consumer")]
        await sender.say(("want", 10, 0))
        await dying.say(("want", 4))
        await sender.say(frame(1, 2, 3), frame(4, 5))
        assert items(dying.frames()) == [1, 2, 3, 4, 5]
        await dying.say(("took", 2, 2))
        dying.died()
        await other.say(("want", 5))
        assert items(other.frames()) == [3, 4, 5]
        await other.say(("took", 3, 3))
        assert ends.actor._queue.queued == 0
        await sender.say(("end",))
        assert other.heard[-1] == ("finished",)


async def test_what_is_not_needed_where_it_is_goes_where_it_is_asked_for() -> None:
    async with opened() as ends:
        sender, idle, hungry = [await ends.open(role) for role in ("sender", "host", "consumer")]
        await sender.say(("want", 10, 0))
        await idle.say(("want", 10))
        await sender.say(frame(1), frame(2), frame(3))
        await hungry.say(("want", 1))
        assert idle.heard[-1] == ("recalled",)
        await idle.say(("put_back", 1, 3))  # it takes the first one
        assert items(hungry.frames()) == [2]
        await hungry.say(("took", 1, 1), ("want", 1))
        assert items(hungry.frames()) == [2, 3]
        await idle.say(("took", 1, 1))
        await hungry.say(("took", 1, 1))
        assert ends.actor._queue.queued == 0


async def test_closing_waits_until_all_ends_have_heard_and_left() -> None:
    async with opened() as ends:
        sender, taker = await ends.open("sender"), await ends.open("host")
        closing = asyncio.create_task(ends.actor.close())
        await settle()
        assert sender.heard == [("unwanted",), ("closed",)]
        assert await ends.actor.join("late", "sender", "somebody", [sender.process]) is None
        await sender.say(("leave",))
        assert not closing.done()
        await taker.say(("leave",))
        await closing
        await ends.actor.hold(sender.name)  # returns at once: the end is gone


async def test_the_host_is_told_how_the_queue_stands_though_it_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sage.transports.ray.caller._NEWS_SECONDS", 0)
    async with opened() as ends:
        sender = await ends.open("sender")
        await sender.say(("want", 10, 0))
        host = End(ends.actor, "host")
        await ends.actor.join(host.name, "host", "this process", [host.process])
        told = asyncio.create_task(ends.actor.listen(host.name, 0))
        await sender.say(frame(1, 2))
        async with asyncio.timeout(60):
            answer = await told
        assert answer is not None
        assert (answer.events, answer.standing.sent, answer.standing.used) == ([], 2, 2)


async def test_news_that_come_while_the_host_is_too_busy_to_listen_are_told_when_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sage.transports.ray.caller._NEWS_SECONDS", 0)
    async with opened() as ends:
        sender = await ends.open("sender")
        await sender.say(("want", 10, 0))
        host = End(ends.actor, "host")
        await ends.actor.join(host.name, "host", "this process", [host.process])
        await sender.say(frame(1, 2))
        told = asyncio.create_task(ends.actor.listen(host.name, 0))
        await settle()
        assert told.done()
        answer = told.result()
        assert answer is not None
        assert answer.standing.queued == 2
