"""The errors of channels: their tree, what they tell, and that they cross processes."""

import copy
import pickle

import pytest

from sage.transports import (
    BrokenChannel,
    ChannelError,
    ClosedChannel,
    EndOfChannel,
    InvalidChannel,
    ReceiverClosed,
    ReceiverTaken,
    TransportError,
    UnreachableChannel,
    WouldBlock,
    errors,
)

OF_ONE_CHANNEL = [
    WouldBlock,
    ClosedChannel,
    ReceiverClosed,
    BrokenChannel,
    EndOfChannel,
    ReceiverTaken,
    UnreachableChannel,
]


def test_the_tree_is_as_drawn() -> None:
    drawn = (errors.__doc__ or "").split("::")[1]
    assert [name for name in errors.__all__ if name not in drawn] == []
    mine = [kind for kind in TransportError.__subclasses__() if kind.__module__ == errors.__name__]
    assert {kind.__name__ for kind in mine} == {"ChannelError", "CodecError", "InvalidChannel", "QueueFactoryError"}
    assert set(ChannelError.__subclasses__()) == set(OF_ONE_CHANNEL)
    assert issubclass(InvalidChannel, ValueError)


@pytest.mark.parametrize("kind", OF_ONE_CHANNEL)
def test_an_error_names_the_channel_and_its_address(kind: type[ChannelError]) -> None:
    error = kind("nothing is there", channel="orders", address="memory://7")
    assert str(error) == "channel 'orders' (memory://7): nothing is there"
    assert (error.channel, error.address) == ("orders", "memory://7")


@pytest.mark.parametrize("kind", OF_ONE_CHANNEL)
def test_an_error_can_be_pickled_and_copied(kind: type[ChannelError]) -> None:
    error = kind("nothing is there", channel="orders", address="memory://7")
    error.add_note("seen by the gate")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert (again.channel, again.address) == ("orders", "memory://7")
        assert again.__notes__ == ["seen by the gate"]
