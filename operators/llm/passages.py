"""What flows through a pipeline that answers questions: documents, passages of them, and questions on their way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sage.operators.errors import shorten
from sage.operators.llm.errors import InvalidInput
from sage.operators.llm.messages import Message, last_question

__all__ = ["Document", "Found", "Passage", "Question", "question_of"]


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and where it is from.

    Attributes:
        text: all of it.
        source: what names it, unique among documents: a path, an address.
        title: what it is called, for people.
    """

    text: str
    source: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: ``document.text[start:end] == text``.

    Attributes:
        text: the piece.
        source: that of the document.
        title: that of the document.
        start: where it begins in the document, in characters.
        end: where it ends, in characters.
    """

    text: str
    source: str = ""
    title: str = ""
    start: int = 0
    end: int = 0

    @property
    def id(self) -> str:
        """What names the passage, unique as long as the documents' sources are."""
        return f"{self.source}#{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that was found, and how well it fits: the greater the score, the better."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Question:
    """A question on its way: each step of a pipeline adds its part.

    Attributes:
        text: what is asked.
        passages: what was found for it, the best first.
        messages: what the model is told.
        request: what the question was made from: a chat request with its own messages and limits, or `None`.
    """

    text: str
    passages: tuple[Found, ...] = ()
    messages: tuple[Message, ...] = ()
    request: Any = None

    def found(self, passages: "list[Found] | tuple[Found, ...]") -> "Question":
        """The same with these passages."""
        return replace(self, passages=tuple(passages))

    def told(self, messages: list[Message]) -> "Question":
        """The same with these messages for the model."""
        return replace(self, messages=tuple(messages))


def question_of(value: Any) -> Question:
    """A question from whatever a program was asked with.

    Args:
        value: a text; a `Question`; or a chat request, an object or a mapping with ``messages``, whose last message of
            a user is what is asked.

    Raises:
        InvalidInput: it is none of these.
    """
    if isinstance(value, Question):
        return value
    if isinstance(value, str):
        return Question(value)
    messages = value.get("messages") if isinstance(value, Mapping) else getattr(value, "messages", None)
    if messages is None:
        raise InvalidInput(f"{shorten(value)} is no question: give a text, or a chat request with messages")
    return Question(last_question(messages), messages=tuple(messages), request=value)
