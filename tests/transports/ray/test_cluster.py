"""Being part of a cluster."""

import asyncio
import os
import sys
from types import ModuleType

import pytest

from sage.transports import ConnectError
from sage.transports.ray import ClusterError, RayNotInstalled, RayQueueDescriptor, ensure_ray_initialized
from sage.transports.ray.cluster import _importable, load_ray


def test_a_second_time_is_harmless() -> None:
    found = ensure_ray_initialized()
    assert found.action == "found"
    assert ensure_ray_initialized("auto") == ensure_ray_initialized(found.address) == found


def test_a_process_is_part_of_one_cluster() -> None:
    here = ensure_ray_initialized().address
    with pytest.raises(ClusterError, match=f"part of the Ray cluster at '{here}', so it cannot join '10.0.0.1:6379'"):
        ensure_ray_initialized("10.0.0.1:6379")


def test_without_ray_one_line_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayNotInstalled, match=r"need Ray: pip install 'sage-streams\[ray\]'$") as told:
        ensure_ray_initialized()
    assert isinstance(told.value, ImportError)
    with pytest.raises(RayNotInstalled):
        asyncio.run(RayQueueDescriptor[int](4).put(1))


def test_behind_a_library_that_it_fails_with_it_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ray")
    monkeypatch.setitem(sys.modules, "usearch", ModuleType("usearch"))
    with pytest.raises(ClusterError, match=r"usearch was imported before Ray.*import ray first"):
        load_ray()


def test_a_cluster_that_cannot_be_joined_is_told_by_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        """Ray, in a process that is part of no cluster."""

        @staticmethod
        def is_initialized() -> bool:
            return False

        @staticmethod
        def init(address: str, **_: object) -> None:
            raise ConnectionError(f"nobody at {address}")

    monkeypatch.setitem(sys.modules, "ray", Absent)
    queue = RayQueueDescriptor[int](4, "orders", address="10.0.0.1:6379")
    with pytest.raises(ConnectError, match=r"'orders' .*: no Ray cluster at '10.0.0.1:6379': nobody at"):
        asyncio.run(queue.put(1))


def test_workers_find_the_package_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _importable(None) == {}  # this process runs beside it
    monkeypatch.setattr(os, "getcwd", lambda: "elsewhere")
    monkeypatch.setattr(sys, "argv", ["/elsewhere/script.py"])
    monkeypatch.setenv("PYTHONPATH", "other")
    path = _importable(None)["runtime_env"]["env_vars"]["PYTHONPATH"].split(os.pathsep)
    assert path[1:] == ["other"]
    assert os.path.exists(os.path.join(path[0], "sage", "transports", "ray", "cluster.py"))
    assert _importable({"env_vars": {}}) == {}  # the user has decided
