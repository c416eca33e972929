"""A synthetic OpenAI-compatible server: for tests and benchmarks of whatever stands in front of a model."""

from sage.serving.mock.app import MockServer
from sage.serving.mock.engine import EngineOptions, MockEngine, Run, RunState, Token
from sage.serving.mock.options import MockOptions
from sage.serving.mock.reading import TokenReader, generated, reading
from sage.serving.mock.running import serving

__all__ = [
    "EngineOptions",
    "MockEngine",
    "MockOptions",
    "MockServer",
    "Run",
    "RunState",
    "Token",
    "TokenReader",
    "generated",
    "reading",
    "serving",
]
