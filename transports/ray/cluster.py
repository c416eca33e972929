"""This process and the Ray cluster: joined by address, or started small on this machine."""

import os
import secrets
import sys
import sysconfig
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from sage.transports.ray.errors import ClusterError, RayNotInstalled

__all__ = ["RayCluster", "ensure_ray_initialized", "load_ray"]

# Room for what is under way: queues hold packed frames, and large ones lie in the object store.
_STORE_BYTES = 150 << 20
_MOST_CPUS = 4
# What the user has decided about who may join.
_AUTHENTICATION = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}

# Two threads that start a cluster at once would start two.
_lock = threading.Lock()


class RayCluster(NamedTuple):
    """What `ensure_ray_initialized` found or did."""

    #: ``"found"``: the process had joined a cluster before. ``"joined"`` one by its address. ``"started"`` a new one.
    action: Literal["found", "joined", "started"]
    #: Where its head listens: another process joins by this address.
    address: str


def load_ray() -> ModuleType:
    """The module `ray`.

    Raises:
        RayNotInstalled: there is none.
        ClusterError: it would end the process, for a library was loaded that it does not go together with.
    """
    if "ray" not in sys.modules and "usearch" in sys.modules:
        # Both bring parts of the C++ library, and whoever comes first has his used by both. Ray fails on the other's.
        raise ClusterError("usearch was imported before Ray, which would end this process: import ray first")
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise RayNotInstalled("queues over Ray need Ray: pip install 'sage-streams[ray]'", name="ray") from None
    return ray


def ensure_ray_initialized(address: str | None = None, **options: Any) -> RayCluster:
    """Have this process be part of a Ray cluster; a second time is harmless. Starting one blocks for seconds.

    A cluster that is started is small: it has up to 4 CPUs, 150 MB for objects and no dashboard, is quiet, and ends
    with this process or with `ray.shutdown()`. Ray lets in only who has its token, unless `RAY_AUTH_MODE` says
    otherwise; it is in ``~/.ray``.

    Args:
        address: the cluster to join, e.g. ``"10.0.0.1:6379"``, or ``"auto"`` for the one that runs on this machine; by
            default the environment variable `RAY_ADDRESS`. ``"local"``, or neither: start one.
        options: for `ray.init`, where they take the place of the above.

    Raises:
        RayNotInstalled: Ray is not installed.
        ClusterError: usearch was imported before Ray; or the cluster cannot be joined or started, or this process is
            part of another one.
    """
    ray = load_ray()
    with _lock:
        wanted = address or os.environ.get("RAY_ADDRESS") or "local"
        if ray.is_initialized():
            return _found(ray, address)
        settings = {"logging_level": "error", "log_to_driver": False, **_importable(options.get("runtime_env"))}
        if wanted == "local":
            settings |= _small()
        try:
            ray.init(wanted, **settings | options)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise ClusterError(f"no Ray cluster at {wanted!r}: {error}; give the address of its head node") from error
        return RayCluster("started" if wanted == "local" else "joined", _address(ray))


def _found(ray: ModuleType, address: str | None) -> RayCluster:
    here = _address(ray)
    if address not in (None, "auto", "local", here):
        raise ClusterError(f"this process is part of the Ray cluster at {here!r}, so it cannot join {address!r}")
    return RayCluster("found", here)


def _address(ray: ModuleType) -> str:
    return str(ray.get_runtime_context().gcs_address)


def _small() -> dict[str, Any]:
    """What makes a cluster small, and keeps it to those who have its token."""
    # Ray guards a cluster by a token that it keeps in the home directory. Where nothing can be written, it is told to
    # those whom this process starts.
    if not os.access(Path.home(), os.W_OK) and not _AUTHENTICATION & os.environ.keys():
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {
        "num_cpus": min(_MOST_CPUS, os.cpu_count() or 1),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }


def _importable(runtime_env: Any) -> dict[str, Any]:
    """Workers must find this package where the driver did, also when it is not installed.

    Ray gives them the driver's working directory and that of its script; an installed package is found anyway.
    """
    root = Path(__file__).absolute().parents[3]
    known = [sysconfig.get_path("purelib"), os.getcwd(), os.path.dirname(os.path.abspath(sys.argv[0]))]
    inherited = os.environ.get("PYTHONPATH", "")
    if runtime_env is not None or str(root) in known or str(root) in inherited.split(os.pathsep):
        return {}
    return {"runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), inherited]))}}}
