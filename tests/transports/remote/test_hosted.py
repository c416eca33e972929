"""A queue at its host: how what is there is shared among consumers elsewhere."""

from typing import Any

from sage.transports.remote import ConsumerPeer, ConsumerSeat, HostedQueue
from tests.transports.remote.world import turns


class Reader(ConsumerPeer):
    """A consumer that notes what it is given."""

    def __init__(self) -> None:
        self.given: list[Any] = []

    def describe(self) -> str:
        return "a reader"

    def deliver(self, items: list[tuple[Any, int]], queued: int) -> None:
        self.given += [item for item, _ in items]

    def finished(self) -> None:
        pass


def seated(queue: HostedQueue, *wants: int) -> list[tuple[Reader, ConsumerSeat]]:
    """Consumers, each ready for so many records."""
    found = []
    for records in wants:
        reader = Reader()
        seat = queue.seat_consumer(reader)
        seat.wants(records)
        found.append((reader, seat))
    return found


async def put(queue: HostedQueue, items: list[Any]) -> None:
    for item in items:
        assert queue.credit.try_acquire(1)
        queue.append(item, 1)
    await turns(2)


async def test_who_wants_takes_turns_when_items_come_one_at_a_time() -> None:
    queue = HostedQueue("turns", "here", None)
    (first, _), (second, _), (third, _) = seated(queue, 100, 100, 100)
    for number in range(7):
        await put(queue, [number])
    assert [first.given, second.given, third.given] == [[0, 3, 6], [1, 4], [2, 5]]


async def test_who_wants_nothing_keeps_its_turn() -> None:
    queue = HostedQueue("turns", "here", None)
    (first, seat), (second, _), (third, _) = seated(queue, 1, 100, 100)
    for number in range(4):
        await put(queue, [number])
    seat.wants(1)
    await put(queue, [4])
    assert [first.given, second.given, third.given] == [[0, 4], [1, 3], [2]]


async def test_many_are_given_out_in_equal_parts() -> None:
    queue = HostedQueue("turns", "here", None)
    (first, _), (second, _) = seated(queue, 100, 100)
    await put(queue, list(range(6)))
    await put(queue, [6])
    assert [first.given, second.given] == [[0, 1, 2, 6], [3, 4, 5]]
