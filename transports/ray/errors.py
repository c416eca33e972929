"""What can go wrong with the cluster itself, before there is a channel in it."""

from sage.transports.errors import TransportError

__all__ = ["ClusterError", "RayNotInstalled"]


class ClusterError(TransportError):
    """A Ray cluster cannot be joined or started; the message names its address and the remedy."""


class RayNotInstalled(ClusterError, ImportError):
    """Ray is an extra, and is not installed."""
