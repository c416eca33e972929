"""Queues by the name of a kind, and which kinds work on this machine."""

import importlib.util
import os
import sys
from typing import Any, TypedDict

from sage.transports.errors import InvalidChannel
from sage.transports.queue import QueueDescriptor
from sage.transports.registry import describe, kind_of, known_kinds

__all__ = ["QueueBackendInfo", "create_queue", "get_queue_backend_info"]

# What each kind of this package needs, and what brings it.
_PACKAGES = {"python": (), "sage": ("msgpack",), "rpc": ("msgpack", "zmq"), "ray": ("msgpack", "ray")}
_REMEDIES = {"ray": "pip install 'sage-streams[ray]'"}
# Reaches another process; by memory that both see; a million small records a second; reaches another machine.
_CAPABILITIES = {
    "python": {"multiprocess": False, "memory_mapped": False, "high_performance": True, "distributed": False},
    "sage": {"multiprocess": True, "memory_mapped": True, "high_performance": True, "distributed": False},
    "rpc": {"multiprocess": True, "memory_mapped": False, "high_performance": True, "distributed": True},
    "ray": {"multiprocess": True, "memory_mapped": False, "high_performance": False, "distributed": True},
}


class QueueBackendInfo(TypedDict):
    """What `get_queue_backend_info` tells."""

    #: What `create_queue` makes when no kind is named, e.g. ``"sage_queue"``.
    current_backend: str
    #: Whether queues in shared memory work here.
    sage_available: bool
    #: The kinds that work here.
    backends: list[str]
    #: What the current one can do: `multiprocess`, `memory_mapped`, `high_performance`, `distributed`. Empty for a kind
    #: from outside.
    capabilities: dict[str, bool]
    #: The kinds that do not work here, each with the reason and the remedy.
    missing: dict[str, str]


def create_queue(
    backend: str | None = None,
    *,
    maxsize: int | None = None,
    queue_id: str | None = None,
    name: str | None = None,
    **options: Any,
) -> QueueDescriptor[Any]:
    """Describe a new queue. Nothing is opened before its first use, or `open`.

    Args:
        backend: the kind: ``"python"``, ``"sage"``, ``"rpc"``, ``"ray"``, the same with ``_queue``, or one that
            `register_queue_factory` added. ``"auto"`` is Ray in a program that has joined a cluster, else shared
            memory or, where there is none, ZeroMQ. By default what `SAGE_QUEUE_BACKEND` says, or ``"auto"``.
        maxsize: how many records the queue holds, 0 for no bound; by default as the kind has it.
        queue_id: its name; by default one is made.
        name: the same, as the original SAGE calls it.
        options: what the kind takes beside that, e.g. ``host`` and ``port``.

    Raises:
        InvalidChannel: the kind is not known or does not work here, or the queue cannot be as described.
        QueueFactoryError: the factory that was registered for the kind failed.
        TypeError: an option that the kind does not take.
    """
    kind = _choose(backend)
    missing = _missing(kind)
    if missing is not None:
        raise InvalidChannel(f"queues of kind {kind!r} do not work here: {missing}")
    if name is not None and queue_id is not None and name != queue_id:
        raise InvalidChannel(f"the queue has two names, name={name!r} and queue_id={queue_id!r}; give one")
    if maxsize is not None:
        options["maxsize"] = maxsize
    return describe(kind, name if queue_id is None else queue_id, options)


def get_queue_backend_info() -> QueueBackendInfo:
    """Which kinds of queue work on this machine, and which one `create_queue` chooses. Loads none of them.

    Raises:
        InvalidChannel: `SAGE_QUEUE_BACKEND` names a kind that is not known.
    """
    current = _choose(None)
    problems = {kind: _missing(kind) for kind in known_kinds()}
    return {
        "current_backend": f"{current}_queue",
        "sage_available": problems["sage"] is None,
        "backends": [f"{kind}_queue" for kind, problem in problems.items() if problem is None],
        "capabilities": dict(_CAPABILITIES.get(current, {})),
        "missing": {f"{kind}_queue": problem for kind, problem in problems.items() if problem is not None},
    }


def _choose(backend: str | None) -> str:
    """The kind that was asked for, by argument or environment."""
    source, name = "backend", backend
    if name is None:
        source, name = "SAGE_QUEUE_BACKEND", os.environ.get("SAGE_QUEUE_BACKEND") or "auto"
    if name == "auto":
        return _best()
    try:
        return kind_of(name)
    except InvalidChannel as error:
        raise InvalidChannel(f"{source}={name!r}: {error}; 'auto' chooses one") from None


def _best() -> str:
    """The kind for who has no wishes: the quickest that reaches all processes of the program."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return "ray"
    return next(kind for kind in ("sage", "rpc", "python") if _missing(kind) is None)


def _missing(kind: str) -> str | None:
    """Why queues of this kind do not work here; `None` if they do."""
    packages = [package for package in _PACKAGES.get(kind, ()) if importlib.util.find_spec(package) is None]
    if packages:
        return f"{', '.join(packages)} is not installed; {_REMEDIES.get(kind, f'pip install {packages[0]}')}"
    if kind == "sage" and not hasattr(os, "memfd_create"):
        return f"{sys.platform} has no anonymous shared memory (memfd_create); use 'rpc'"
    return None
