"""Which other ways there are."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["PEERS", "Peer", "peer_ways"]


@dataclass(frozen=True)
class Peer:
    """A module of this folder.

    It has a dictionary ``WAYS``: by the name of an outcome, the ways that the library has to do its work.

    Args:
        module: its name.
        package: what has to be installed for it; empty if nothing.
    """

    module: str
    package: str = ""

    def load(self) -> ModuleType | None:
        """The module; `None` if what it needs is not installed."""
        try:
            return import_module(f"benchmarks.peers.{self.module}")
        except ModuleNotFoundError as missing:
            if not self.package or (missing.name or "").split(".")[0] != self.package:
                raise
            return None


PEERS = (
    Peer("asyncio_queues"),
    Peer("bytewax_flows", "bytewax"),
    Peer("reactivex_pipes", "reactivex"),
    Peer("aiostream_pipes", "aiostream"),
    Peer("streamz_streams", "streamz"),
)


def peer_ways(benchmark: str) -> tuple[dict[str, Callable[[Any], Any]], list[str]]:
    """What the peers have for a benchmark, by name, and a note for each that is not installed or has nothing."""
    ways: dict[str, Callable[[Any], Any]] = {}
    notes: list[str] = []
    for peer in PEERS:
        module = peer.load()
        if module is None:
            notes.append(f"{peer.package}: not installed; pip install {peer.package}")
        elif benchmark in module.WAYS:
            ways.update(module.WAYS[benchmark])
        else:
            notes.append(f"{peer.package or peer.module}: has nothing that does this")
    return ways, notes
