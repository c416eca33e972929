"""The engine that runs programs in the event loop of the caller."""

from sage.config import Config
from sage.graph import Graph, validate
from sage.runtime.local.execution import LocalExecution

__all__ = ["LocalEngine"]


class LocalEngine:
    """Implements `Engine`: every operator is a task of the running event loop.

    Args:
        config: the settings.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def prepare(self, name: str, graph: Graph) -> LocalExecution:
        """See `Engine.prepare`."""
        validate(graph, name)
        return LocalExecution(name, graph, self._config)
