"""A language model in this process: `transformers`, with continuous batching."""

from sage.middleware.engine.model import Generated, TransformersModel
from sage.middleware.engine.requests import GenerationRequest

__all__ = ["Generated", "GenerationRequest", "TransformersModel"]
