"""The steps of a pipeline that answers questions.

::

    env.endpoint("ask")
       .map(Retrieve(library, embed="embedder"))   # Question with passages
       .map(Rerank(score))                         # the best of them
       .map(Prompt())                              # messages for the model
       .flat_map(Generate("chat"))                 # the answer, piece by piece
       .reply()

Without a model, `Extract` stands in the place of the last two.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from inspect import isawaitable
from typing import Any

from sage.errors import GraphError
from sage.operators.llm import Collection, Found, Question, cited_sentences, question_of
from sage.operators.numbers import is_count
from sage.services.finding import service

__all__ = ["Extract", "Generate", "Rerank", "Retrieve", "limits_of"]

Embed = Callable[[str], Awaitable[Sequence[float]]]
Score = Callable[[str, list[str]], Sequence[float] | Awaitable[Sequence[float]]]
# So many passages are searched nearly as quickly as a thread is woken.
_FEW = 500
_UNSAID: tuple[Any, ...] = (None, (), [])
#: Those of a chat request that are for the model, by the names of the protocol.
_LIMITS = (
    *("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed"),
    *("presence_penalty", "frequency_penalty", "response_format"),
)


class Retrieve:
    """Finds the passages for a question: ``.map(Retrieve(library, embed="embedder", limit=8))``.

    Args:
        library: a `Collection`, or the name of a service such as `Library`. A collection with more than a few
            passages is searched in a thread.
        embed: makes a vector of the question's text: an async function, or the name of a service with ``embed``; needed
            for a collection with vectors. A library elsewhere has its own.
        limit: how many passages are wanted at most.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(self, library: Collection | str, *, embed: Embed | str | None = None, limit: int = 5) -> None:
        if not isinstance(library, Collection | str):
            raise GraphError(f"Retrieve({library!r}): give a Collection, or the name of a service")
        if isinstance(library, Collection) and library.needs_vectors and embed is None:
            raise GraphError(
                "Retrieve: the collection finds by vectors: give embed=, the name of a service or a function"
            )
        if not is_count(limit):
            raise GraphError(f"Retrieve(limit={limit!r}): write a number, 1 or more")
        self._library = library
        self._embed = embed
        self._limit = limit

    async def __call__(self, asked: Any) -> Question:
        """The question with its passages; what was asked is as `question_of` takes it.

        Cancel safety: nothing is lost; a thread that searches is left to itself.
        """
        question = question_of(asked)
        if isinstance(self._library, str):
            return question.found(await service(self._library).search(question.text, self._limit))
        vector = None
        if isinstance(self._embed, str):
            vector = await service(self._embed).embed(question.text)
        elif self._embed is not None:
            vector = await self._embed(question.text)
        search = partial(self._library.search, question.text, vector=vector, limit=self._limit)
        return question.found(search() if len(self._library) <= _FEW else await asyncio.to_thread(search))


class Rerank:
    """Puts the passages of a question into a better order: ``.map(Rerank("reranker", limit=3))``.

    Args:
        score: tells how well texts fit a question: gets the question and the texts, returns a number for each, the
            greater the better; plain or async, or the name of a service with such a method ``score``.
        limit: how many passages are kept; `None` for all.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(self, score: Score | str, *, limit: int | None = None) -> None:
        if not isinstance(score, str) and not callable(score):
            raise GraphError(f"Rerank({score!r}): give a function of a question and texts, or the name of a service")
        if limit is not None and not is_count(limit):
            raise GraphError(f"Rerank(limit={limit!r}): write a number, 1 or more, or leave it out for all")
        self._score = score
        self._limit = limit

    async def __call__(self, question: Question) -> Question:
        """The question with its passages in the new order; of equal scores, the order stays.

        Cancel safety: nothing is lost.

        Raises:
            GraphError: there is not one score for each text.
        """
        if not question.passages:
            return question
        texts = [found.passage.text for found in question.passages]
        score = service(self._score).score if isinstance(self._score, str) else self._score
        scores = score(question.text, texts)
        if isawaitable(scores):
            scores = await scores
        if len(scores) != len(texts):
            raise GraphError(f"Rerank: {self._score!r} was given {len(texts)} texts and gave {len(scores)} scores")
        ranked = sorted(zip(scores, question.passages, strict=True), key=lambda one: -one[0])
        return question.found([Found(found.passage, float(score)) for score, found in ranked[: self._limit]])


class Generate:
    """Has a chat model answer: ``.flat_map(Generate("chat"), concurrency=64)``. The answer's text comes as it is made.

    Limits that a chat request has (``max_tokens``, ``temperature``, ...) are passed on.

    Args:
        model: the name of a service such as `ChatModel`: ``tokens(messages, **options)`` streams text.
        options: what every request says, such as ``temperature=0``; a chat request's own limits count more.
    """

    def __init__(self, model: str, **options: Any) -> None:
        if not isinstance(model, str):
            raise GraphError(
                f"Generate({model!r}): write the name of a service: env.register_service(name, ChatModel, ...)"
            )
        self._model = model
        self._options = options

    async def __call__(self, question: Question) -> AsyncGenerator[str, None]:
        """The pieces of the answer.

        Cancel safety: closing it, or cancelling whoever reads it, stops the model.

        Raises:
            GraphError: the question has no messages yet.
            ModelError: as its kind says.
        """
        if not question.messages:
            raise GraphError("Generate: the question has no messages; put .map(Prompt()) before it")
        options = {**self._options, **limits_of(question.request)}
        async with aclosing(service(self._model).tokens(list(question.messages), **options)) as pieces:
            async for piece in pieces:
                yield piece


class Extract:
    """Answers without a model: ``.flat_map(Extract())`` gives the sentences that tell most, each with its passage.

    Args:
        limit: how many sentences an answer has at most.
        otherwise: what is said when the passages do not tell.
    """

    def __init__(self, limit: int = 3, otherwise: str = "The passages do not tell.") -> None:
        if not is_count(limit):
            raise GraphError(f"Extract(limit={limit!r}): write a number of sentences, 1 or more")
        self._limit = limit
        self._otherwise = otherwise

    def __call__(self, question: Question) -> Iterator[str]:
        """The pieces of the answer, sentence by sentence: ``"Tasks are run by a loop. [2]"``."""
        told = cited_sentences(question.text, question.passages, self._limit)
        if not told:
            yield self._otherwise
        for number, citation in enumerate(told):
            yield f"{' ' if number else ''}{citation.text} [{citation.number}]"


def limits_of(request: Any) -> dict[str, Any]:
    """What a chat request, an object or a mapping, says for the model; nothing of `None`."""
    if request is None:
        return {}
    known = request if isinstance(request, Mapping) else {name: getattr(request, name, None) for name in _LIMITS}
    return {name: known[name] for name in _LIMITS if known.get(name) not in _UNSAID}
