"""What every channel does, whatever carries it. An implementation passes it in its own test file::

    class TestMemoryChannel(ChannelContract):
        @pytest.fixture
        def maker(self) -> Maker:
            return MemoryDescriptor

Nothing in it assumes that an item has arrived because it was sent: where something must not happen, or must have
happened on the other side, a test calls `settle`, which an implementation with a wire overrides.
"""

from tests.transports.contract_ends import EndsContract
from tests.transports.contract_flow import FlowContract
from tests.transports.opened import Maker

__all__ = ["ChannelContract", "Maker"]


class ChannelContract(FlowContract, EndsContract):
    """The suite. A subclass has a fixture `maker`, which describes a new channel by name and capacity."""
