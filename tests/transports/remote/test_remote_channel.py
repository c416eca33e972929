"""Channels whose senders sit elsewhere: the contract, over a wire of one turn of the loop and of several."""

import asyncio
from typing import Any

import pytest

from sage.transports import ChannelDescriptor, SendChannel
from tests.transports.contract import ChannelContract, Maker
from tests.transports.remote.loopback import LoopbackDescriptor


class SlowLoopback(LoopbackDescriptor):
    delay = 5


class RemoteContract(ChannelContract):
    async def open_sender(self, descriptor: ChannelDescriptor[Any]) -> SendChannel[Any]:
        assert isinstance(descriptor, LoopbackDescriptor)
        return await type(descriptor).from_dict(descriptor.to_dict(), local=False).open_sender()

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)


class TestRemoteSenders(RemoteContract):
    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: LoopbackDescriptor(capacity or 0, name)


class TestSlowRemoteSenders(RemoteContract):
    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: SlowLoopback(capacity or 0, name)


class TestHostsOwnSenders(ChannelContract):
    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: LoopbackDescriptor(capacity or 0, name)
