"""How requests and pieces of answers travel where a program's operators are joined by zmq, shm or Ray."""

from importlib import import_module

from sage.serving.pieces import Delta, Finish, ToolCallDelta, Usage
from sage.serving.requests import ChatRequest, CompletionRequest

__all__ = ["register_types"]


def register_types() -> None:
    """Let the codec carry what endpoints that are served get and reply with; a second time is harmless.

    A server does so when it starts. A program that uses these classes without one does it by itself.
    """
    # Not before it is needed: programs in one process have no use for a codec.
    register_type = import_module("sage.transports").register_type
    for cls in (ChatRequest, CompletionRequest, Delta, Finish, ToolCallDelta, Usage):
        register_type(cls, name=f"sage.serving.{cls.__name__}")
