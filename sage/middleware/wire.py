"""How questions, passages and answers travel where a program's operators are joined by zmq, shm or Ray, or services
are processes of their own."""

from sage.middleware.agent import Outcome, Turn
from sage.middleware.reply import Part, Reply, Usage
from sage.middleware.single_flight import CacheStatistics
from sage.operators.llm import Citation, Document, Found, Hit, Passage, Question, ToolCall
from sage.services.carrying import carry

__all__ = ["register_types"]

_OPERATORS = (Citation, Document, Found, Hit, Passage, Question, ToolCall)
_MIDDLEWARE = (CacheStatistics, Outcome, Part, Reply, Turn, Usage)


def register_types() -> None:
    """Let the codec carry what flows through pipelines that ask models; a second time is harmless.

    Importing `sage.middleware` does so; a program that uses nothing but `sage.operators.llm` calls it by itself.
    """
    carry("llm", *_OPERATORS)
    carry("middleware", *_MIDDLEWARE)


register_types()
