"""What calls models: clients of any server that speaks the OpenAI protocol, and the steps of pipelines that use them.

Read `answering` first (the steps), then `chat` (the client) and `agent` (a model with tools, as a loop). What needs no
I/O is in `sage.operators.llm`.
"""

from sage.middleware.agent import Agent, Outcome, Turn
from sage.middleware.answering import Extract, Generate, Rerank, Retrieve
from sage.middleware.chat import ChatModel
from sage.middleware.embeddings import EmbeddingModel, HashEmbedder, Vector
from sage.middleware.errors import (
    AnswerBroken,
    AnswerInvalid,
    ModelBusy,
    ModelError,
    ModelFailed,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from sage.middleware.library import Library
from sage.middleware.model_server import ModelServer
from sage.middleware.relay import Relay
from sage.middleware.reply import Part, Reply, ReplyBuilder, Usage
from sage.middleware.single_flight import CacheStatistics, SingleFlightCache
from sage.middleware.sse import ServerEvent, SseReader
from sage.middleware.structured import Structured
from sage.middleware.wire import register_types

__all__ = [
    "Agent",
    "AnswerBroken",
    "AnswerInvalid",
    "CacheStatistics",
    "ChatModel",
    "EmbeddingModel",
    "Extract",
    "Generate",
    "HashEmbedder",
    "Library",
    "ModelBusy",
    "ModelError",
    "ModelFailed",
    "ModelRefused",
    "ModelServer",
    "ModelTimeout",
    "ModelUnreachable",
    "Outcome",
    "Part",
    "Relay",
    "Reply",
    "ReplyBuilder",
    "Rerank",
    "Retrieve",
    "ServerEvent",
    "SingleFlightCache",
    "SseReader",
    "Structured",
    "Turn",
    "Usage",
    "Vector",
    "register_types",
]
