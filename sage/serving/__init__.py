"""Programs as servers: the OpenAI protocol, and JSON for everything else.

Nothing here is loaded before it is used: web servers and encoders come with the extra ``serve``.
"""

from sage.serving.errors import RequestError
from sage.serving.exchange import Limits
from sage.serving.front import ServingApp
from sage.serving.openai import openai_app
from sage.serving.pieces import Delta, Finish, FinishReason, ToolCallDelta, Usage
from sage.serving.plain import app
from sage.serving.rates import Rate
from sage.serving.requests import ChatRequest, CompletionRequest

__all__ = [
    "ChatRequest",
    "CompletionRequest",
    "Delta",
    "Finish",
    "FinishReason",
    "Limits",
    "Rate",
    "RequestError",
    "ServingApp",
    "ToolCallDelta",
    "Usage",
    "app",
    "openai_app",
]
