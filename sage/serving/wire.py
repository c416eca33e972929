"""How requests and pieces of answers travel where a program's operators are joined by zmq, shm or Ray."""

from sage.services.carrying import carry
from sage.serving.pieces import Delta, Finish, ToolCallDelta, Usage
from sage.serving.requests import ChatRequest, CompletionRequest

__all__ = ["register_types"]


def register_types() -> None:
    """Let the codec carry what endpoints that are served get and reply with; a second time is harmless.

    A server does so when it starts. A program that uses these classes without one does it by itself.
    """
    carry("serving", ChatRequest, CompletionRequest, Delta, Finish, ToolCallDelta, Usage)
