"""Other libraries that call something in another process."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from benchmarks.services.subject import Opens

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A module of this folder, with a function ``opened`` that starts what is called.

    Args:
        way: what it is called in tables.
        module: its name.
        package: what has to be installed for it.
        install: what installs that.
        slow: by how many times fewer calls are made of it.
    """

    way: str
    module: str
    package: str
    install: str
    slow: int = 1

    @property
    def installed(self) -> bool:
        """Whether it can be measured."""
        return find_spec(self.package) is not None

    @property
    def opens(self) -> Opens:
        """Starts what is called."""
        opened: Opens = import_module(f"benchmarks.services.{self.module}").opened
        return opened


PEERS = (
    Peer("grpc.aio", "grpc_calls", "grpc", "pip install grpcio", slow=4),
    Peer("xoscar actor", "xoscar_calls", "xoscar", "pip install xoscar", slow=4),
    Peer("ray actor", "ray_calls", "ray", 'pip install "sage-streams[ray]"', slow=20),
)
