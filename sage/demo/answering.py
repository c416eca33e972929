"""The program that answers: it stays up, and each request to it flows through the same operators.

::

    ask ─▶ retrieve ─▶ quote ─▶ reply                    without a model
    ask ─▶ retrieve ─▶ prompt ─▶ generate ─▶ reply       with one
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import sage
from sage.middleware import ChatModel, Generate, ModelServer, Retrieve
from sage.operators.llm import Collection, Found, Passage, Prompt, Question, cited_sentences, sentences

__all__ = ["Cited", "build", "quote"]

# Of the best score, what a passage or a sentence must have to be quoted. Beyond that, words meet by chance.
CLOSE = 0.8
# A sentence of fewer words tells more with the next one.
SHORT = 12

_WORD = re.compile(r"\s*\S+")
_NUMBER = re.compile(r"\[(\d+)\]")


def build(library: Collection, model: ModelServer | None = None) -> sage.Environment:
    """Write the program; it answers when it runs.

    Args:
        library: where answers are from.
        model: what writes them; `None` to quote.
    """
    env = sage.Environment("answer")
    questions = env.endpoint("ask").map(Retrieve(library, limit=5), name="retrieve")
    if model is None:
        answers = questions.flat_map(Cited(quote, "Quoted word for word, without a model, from"), name="quote")
    else:
        env.register_service("model", ChatModel, model)
        prompts = questions.map(Prompt(passage="[{number}] {title}\n{text}"), name="prompt")
        answers = prompts.flat_map(Cited(Generate("model"), "Sources"), name="generate", concurrency=16)
    answers.reply()
    return env


async def quote(question: Question) -> AsyncGenerator[str, None]:
    """Answer without a model: the sentences that tell most, from the passages that fit best, word by word.

    Cancel safety: nothing is lost.
    """
    told = cited_sentences(question.text, _close(question.passages))
    best = max((citation.score for citation in told), default=0)
    said = "" if told else "Nothing that was read tells."
    for citation in told:
        if citation.score >= CLOSE * best and citation.text not in said:
            quoted = _with_next(citation.text, question.passages[citation.number - 1].passage)
            said += f" {quoted} [{citation.number}]"
    for word in _WORD.findall(said.lstrip()):
        yield word


class Cited:
    """Ends an answer with the sources that it names: ``[2] functools.lru_cache, functools.py:479``.

    Args:
        answer: gives the pieces of an answer, with the numbers of passages in brackets.
        heading: what the sources are introduced by.
    """

    def __init__(self, answer: Callable[[Question], AsyncGenerator[str, None]], heading: str) -> None:
        self._answer = answer
        self._heading = heading

    async def __call__(self, question: Question) -> AsyncGenerator[str, None]:
        """The pieces of the answer, then its sources.

        Cancel safety: closing it, or cancelling whoever reads it, stops the answer.
        """
        said = ""
        async with aclosing(self._answer(question)) as pieces:
            async for piece in pieces:
                said += piece
                yield piece
        sources = _sources(said, question.passages)
        if sources:
            yield "\n".join((f"\n\n{self._heading}:", *sources))


def _close(passages: tuple[Found, ...]) -> list[Found]:
    """The passages that fit about as well as the first one."""
    return [found for found in passages if found.score >= CLOSE * passages[0].score]


def _with_next(sentence: str, passage: Passage) -> str:
    """A sentence of a passage; if it is short, as the summary of a docstring is, with the one behind it."""
    text = passage.text
    told = [" ".join(text[start:end].split()) for start, end in sentences(text)]
    place = told.index(sentence)
    return " ".join(told[place : place + (2 if len(sentence.split()) < SHORT else 1)])


def _sources(said: str, passages: tuple[Found, ...]) -> list[str]:
    named = {int(number) for number in _NUMBER.findall(said)}
    numbered = ((number, found.passage) for number, found in enumerate(passages, 1) if number in named)
    return [f"[{number}] {passage.title}, {passage.source}" for number, passage in numbered]
