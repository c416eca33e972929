"""Channels over Ray: the contract."""

import pytest

from tests.transports.contract import ChannelContract, Maker
from tests.transports.ray.seen import SeenDescriptor, quiet


class TestRayChannel(ChannelContract):
    """The queue is in an actor; both ends are here."""

    @pytest.fixture
    def maker(self) -> Maker:
        return lambda name, capacity: SeenDescriptor(capacity or 0, name)

    async def settle(self) -> None:
        await super().settle()
        await quiet()

    # Each case starts a process. A turn of this loop more or less matters little to a queue that is some hundred away.

    @pytest.mark.parametrize(("release_at", "cancel_at"), [(0, 0), (3, 0), (0, 5)])
    async def test_a_send_is_cancelled_as_a_whole_or_not_at_all(
        self, maker: Maker, release_at: int, cancel_at: int
    ) -> None:
        await super().test_a_send_is_cancelled_as_a_whole_or_not_at_all(maker, release_at, cancel_at)

    @pytest.mark.parametrize(("send_at", "cancel_at"), [(0, 0), (3, 0), (0, 5)])
    async def test_a_receive_is_cancelled_as_a_whole_or_not_at_all(
        self, maker: Maker, send_at: int, cancel_at: int
    ) -> None:
        await super().test_a_receive_is_cancelled_as_a_whole_or_not_at_all(maker, send_at, cancel_at)
