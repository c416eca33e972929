"""Channels over ZeroMQ: the contract, near and far."""

from typing import Any

import pytest

from sage.transports import ChannelDescriptor, SendChannel
from sage.transports.zmq import RPCQueueDescriptor
from tests.transports.contract import ChannelContract, Maker
from tests.transports.zmq.far import open_far_sender, quiet


class TestHere(ChannelContract):
    """In the process that hosts it, ends are opened directly."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: RPCQueueDescriptor(endpoint="ipc://*", queue_id=name, maxsize=capacity or 0)


class TestOverUnixSockets(ChannelContract):
    """Senders reach the host over the wire."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: RPCQueueDescriptor(endpoint="ipc://*", queue_id=name, maxsize=capacity or 0)

    async def open_sender(self, descriptor: ChannelDescriptor[Any]) -> SendChannel[Any]:
        return await open_far_sender(descriptor)

    async def settle(self) -> None:
        await super().settle()
        await quiet()


class TestOverTcp(TestOverUnixSockets):
    """The same over TCP."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: RPCQueueDescriptor(queue_id=name, maxsize=capacity or 0)
