"""Queues in shared memory, between processes of one machine: the `sage_queue`.

Read `messages` for the protocol, `segment` for the memory, `outlet` and `inlet` for how items go through it.

::

    descriptor ──▶ host ──▶ peers ──▶ inlet    who reads items   (at the host; at a consumer: links)
        │                     └─────▶ outlet   who writes them   (at a sender: links)
        └────▶ connecting ──▶ links               └──▶ ring, pool, rooms
                                └──▶ wire      the socket, on the loop
"""

from sage.transports.shm.descriptor import SageQueueDescriptor

__all__ = ["SageQueueDescriptor"]
