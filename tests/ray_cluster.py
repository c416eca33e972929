"""A small Ray cluster for tests; it costs seconds, so one is started for all tests of a folder."""

import builtins
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sage.transports.ray import ensure_ray_initialized

__all__ = ["ray_cluster"]


@contextmanager
def ray_cluster(home: str) -> Iterator[None]:
    """Run a cluster that keeps what it writes in `home`; skip the tests where Ray is not installed."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sage-streams[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", home)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.delenv("RAY_ADDRESS", raising=False)
        # Also those who are late to hear that a queue is closed learn that by its name.
        patch.setattr("sage.transports.ray.descriptor._FAREWELL_SECONDS", 20.0)
        patch.setattr(builtins, "print", print)  # Ray puts its own in its place, and labels tell the function's name
        ensure_ray_initialized(num_cpus=2)
        yield
        ray.shutdown()
