"""When what is to be said leaves, and in how many messages."""

import asyncio
from typing import Any

import numpy as np
import pytest

from sage.transports import CodecError
from sage.transports.codec import Codec
from sage.transports.rpc.outbox import Outbox
from sage.transports.rpc.wire import ANSWER, ITEMS, read_message

CODEC = Codec()


class Sent:
    """An outbox, and the messages that left it: the values of their records."""

    def __init__(self) -> None:
        self.messages: list[list[Any]] = []
        self.outbox = Outbox(CODEC, self.send)

    def send(self, parts: list[Any]) -> None:
        self.messages.append([record.values for record in read_message(parts, CODEC)])


async def test_what_is_said_in_one_turn_leaves_together_in_the_next() -> None:
    sent = Sent()
    for number in range(3):
        sent.outbox.add_value(ANSWER, number, {"number": number})
    assert not sent.messages
    await asyncio.sleep(0)
    assert sent.messages == [[[{"number": number}] for number in range(3)]]


async def test_one_that_is_alone_leaves_at_once() -> None:
    sent = Sent()
    sent.outbox.add_value(ANSWER, 1, "a", alone=True)
    assert sent.messages == [[["a"]]]
    assert not sent.outbox.scheduled


async def test_many_leave_in_several_messages_while_others_are_still_made() -> None:
    sent = Sent()
    for number in range(100):
        sent.outbox.add_value(ANSWER, number, number)
    assert len(sent.messages) > 1
    sent.outbox.flush()
    assert [value for message in sent.messages for [value] in message] == list(range(100))


async def test_items_are_gathered_until_a_message_leaves_and_keep_their_place() -> None:
    sent = Sent()
    items = ["a", "b"]
    sent.outbox.pour_later(lambda: sent.outbox.add_items(7, items))
    sent.outbox.add_value(ITEMS, 8, (1, 2))
    items.append("c")
    await asyncio.sleep(0)
    assert sent.messages == [[[(1, 2)], ["a", "b", "c"]]]


async def test_large_values_leave_by_themselves() -> None:
    sent = Sent()
    large = np.zeros(1 << 17)
    sent.outbox.add_value(ANSWER, 1, "small")
    sent.outbox.add_value(ANSWER, 2, large)
    sent.outbox.add_value(ANSWER, 3, b"x" * (1 << 18))
    sent.outbox.flush()
    assert [len(message) for message in sent.messages] == [1, 1, 1]
    assert np.array_equal(sent.messages[1][0][0], large)


async def test_what_cannot_be_carried_is_refused_and_nothing_of_it_leaves() -> None:
    sent = Sent()
    sent.outbox.add_value(ANSWER, 1, "before")
    with pytest.raises(CodecError):
        sent.outbox.add_value(ANSWER, 2, [np.zeros(1 << 17), object()])
    sent.outbox.add_value(ANSWER, 3, "behind")
    sent.outbox.flush()
    assert sent.messages == [[["before"], ["behind"]]]
