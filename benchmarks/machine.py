"""On what it was measured."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sage

__all__ = ["machine_facts"]

_PACKAGES = ("anyio", "msgpack", "numpy", "pyzmq", "ray", "uvloop")
_PEERS = ("aiostream", "bytewax", "reactivex", "streamz", "xoscar")


def machine_facts() -> dict[str, str | int | float | dict[str, str]]:
    """Python, processor, cores, load, date and versions: what one has to know to compare two reports."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "cores_used": usable,
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
        "versions": {"sage": sage.__version__, **_versions()},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for package in (*_PACKAGES, *_PEERS):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
