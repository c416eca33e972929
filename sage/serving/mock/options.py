"""What a synthetic server offers and how it behaves."""

from dataclasses import dataclass, field

from sage.errors import GraphError
from sage.serving.mock.engine import EngineOptions

__all__ = ["MockOptions"]


@dataclass(frozen=True)
class MockOptions:
    """Everything about a synthetic server but its address.

    Args:
        models: the names of its models; they share one engine.
        engine: how large and how quick that is.
        tokens: how many tokens an answer has unless the request wants fewer.
        dimensions: how long vectors are unless the request says.
        seed: what words and faults are drawn by; equal requests to equal seeds get equal answers.
        faults: what goes wrong, as `sage.serving.mock.faults` tells: ``("error=500@0.1", "stall=5:2")``.
        api_key: what clients must show; `None` if everybody is let in.

    Raises:
        GraphError: a value cannot be.
    """

    models: tuple[str, ...] = ("mock",)
    engine: EngineOptions = field(default_factory=EngineOptions)
    tokens: int = 64
    dimensions: int = 64
    seed: int = 0
    faults: tuple[str, ...] = ()
    api_key: str | None = None

    def __post_init__(self) -> None:
        if not self.models or not all(self.models):
            raise GraphError("models: give the name of one model at least")
        for name in ("tokens", "dimensions"):
            if getattr(self, name) < 1:
                raise GraphError(f"{name}={getattr(self, name)!r}: write a whole number, 1 or more")
