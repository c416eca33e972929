"""Queues over Ray: held by an actor, used by all processes of a cluster.

Read `actor` for what is said between an end and the actor, `line` for how, `frame_queue` for the queue inside.
Nothing of this loads Ray before it is used.
"""

from sage.transports.ray.cluster import RayCluster, ensure_ray_initialized
from sage.transports.ray.descriptor import RayQueueDescriptor
from sage.transports.ray.errors import ClusterError, RayNotInstalled
from sage.transports.ray.receiver import RayReceiver

__all__ = [
    "ClusterError",
    "RayCluster",
    "RayNotInstalled",
    "RayQueueDescriptor",
    "RayReceiver",
    "ensure_ray_initialized",
]
