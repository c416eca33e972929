"""Channels through shared memory: the contract, near and far."""

import inspect
from typing import Any

import pytest
import uvloop

from sage.transports import ChannelDescriptor, SendChannel
from sage.transports.shm import SageQueueDescriptor
from tests.transports.contract import ChannelContract, Maker
from tests.transports.shm.far import open_far_sender, quiet


class TestHere(ChannelContract):
    """In the process that hosts it, ends are opened directly."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: SageQueueDescriptor(capacity or 0, name)


class TestFar(TestHere):
    """Senders reach the host through shared memory."""

    async def open_sender(self, descriptor: ChannelDescriptor[Any]) -> SendChannel[Any]:
        return await open_far_sender(descriptor)

    async def settle(self) -> None:
        await quiet()


class TestTight(TestFar):
    """The same with as little memory as can be."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: SageQueueDescriptor(capacity or 0, name, memory=1 << 18)


_OF_A_CHANNEL = [
    name
    for name, test in inspect.getmembers(TestFar, inspect.iscoroutinefunction)
    if list(inspect.signature(test).parameters) == ["self", "maker"]
]


@pytest.mark.parametrize("test", _OF_A_CHANNEL)
def test_it_goes_on_uvloop_as_well(test: str) -> None:
    uvloop.run(getattr(TestFar(), test)(lambda name, capacity: SageQueueDescriptor(capacity or 0, name)))
