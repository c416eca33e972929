"""Answers: said by the passages, and with their sources."""

import asyncio.tasks
import functools
import importlib
import inspect
import linecache
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

import sage
from sage.demo.answering import CLOSE, Cited, build, quote
from sage.demo.indexing import build as build_index
from sage.demo.interview import QUESTIONS
from sage.middleware import ModelServer
from sage.operators.llm import Collection, Found, Passage, Question
from tests.demo.library import STDLIB, copied
from tests.middleware.openai_server import Asked, serving, stream

FILES = [
    "asyncio/base_events.py",
    "asyncio/events.py",
    "asyncio/runners.py",
    "asyncio/tasks.py",
    "functools.py",
    "heapq.py",
    "json/__init__.py",
    "pydoc_data/topics.py",
    "shutil.py",
]
SOURCE = re.compile(r"\[(\d+)\] (.+), (.+):(\d+)")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Some of the standard library."""
    indexing = build_index(copied(FILES, tmp_path_factory.mktemp("library")))
    sage.run(indexing.env)
    return indexing.library


async def answer(library: Collection, question: str, model: ModelServer | None = None) -> str:
    async with build(library, model).start() as job:
        return "".join([piece async for piece in job.stream("ask", question)])


def flat(text: str) -> str:
    return " ".join(text.split())


def sources(answer: str) -> dict[int, tuple[str, Path, int]]:
    """By number: what the source is called, and where it is."""
    found = SOURCE.findall(answer.rpartition("\n\n")[2])
    return {int(number): (name, STDLIB / path, int(line)) for number, name, path, line in found}


LRU = "If *maxsize* is set to None, the LRU features are disabled and the cache can grow without bound."
ELSE = 'When the iterator is exhausted, the suite in the "else" clause, if present, is executed'


@pytest.mark.parametrize(
    ("question", "said", "source"),
    [
        (QUESTIONS[0], "Submit a coroutine object to a given event loop.", "asyncio.tasks.run_coroutine_threadsafe"),
        (QUESTIONS[1], LRU, "functools.lru_cache"),
        (QUESTIONS[2], ELSE, "help('compound')"),
        ("How do I find the n largest elements of a dataset?", "Find the n largest elements", "heapq.nlargest"),
        ("How does shutil.copytree treat symbolic links?", "symbolic links in the destination", "shutil.copytree"),
    ],
)
async def test_questions_are_answered_by_the_right_passages(
    library: Collection, question: str, said: str, source: str
) -> None:
    answered = await answer(library, question)
    assert said in answered
    assert "Quoted word for word, without a model, from:" in answered
    assert source in [name for name, _, _ in sources(answered).values()]


@pytest.mark.parametrize(
    ("question", "thing", "path"),
    [
        (QUESTIONS[0], asyncio.tasks.run_coroutine_threadsafe, "asyncio/tasks.py"),
        (QUESTIONS[1], functools.lru_cache, "functools.py"),
    ],
)
async def test_a_quotation_stands_in_the_docstring_that_it_cites(
    library: Collection, question: str, thing: Callable[..., object], path: str
) -> None:
    answered = await answer(library, question)
    (name, file, line) = sources(answered)[1]
    assert (name, file) == (f"{thing.__module__}.{thing.__name__}", STDLIB / path)
    assert line == inspect.getsourcelines(thing)[1]
    assert f"def {thing.__name__}(" in linecache.getline(str(file), line)
    assert flat(answered.partition(" [1]")[0]) in flat(inspect.getdoc(thing) or "")


async def test_a_quotation_stands_in_the_help_topic_that_it_cites(library: Collection) -> None:
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    answered = await answer(library, QUESTIONS[2])
    quoted = re.findall(r"(.+?) \[(\d+)\] ?", answered.partition("\n\n")[0])
    assert len(quoted) == 2
    for quotation, number in quoted:
        name, _, _ = sources(answered)[int(number)]
        assert flat(quotation) in flat(topics[name.removeprefix("help('").removesuffix("')")])


async def test_it_says_so_when_nothing_tells(library: Collection) -> None:
    assert await answer(library, "zzz qqq?") == "Nothing that was read tells."


def asked(text: str, *passages: tuple[str, float]) -> Question:
    found = [
        Found(Passage(said, f"{number}.py:1", f"m.f{number}"), score)
        for number, (said, score) in enumerate(passages, 1)
    ]
    return Question(text).found(found)


async def test_passages_that_fit_much_worse_are_not_quoted() -> None:
    said = "Sage is a herb that grows in dry places all around the Mediterranean sea."
    other = "Sage is also a word for somebody wise, of whom there are only a few."
    for score, quoted in ((CLOSE * 2, True), (CLOSE * 2 - 0.01, False)):
        question = asked("What is sage?", (said, 2.0), (other, score))
        text = "".join([piece async for piece in quote(question)])
        assert (said in text, other in text) == (True, quoted)


async def test_a_short_sentence_comes_with_the_next_one() -> None:
    question = asked("What is thyme?", ("Parsley is not meant. Thyme is a herb. It grows on walls. It is small.", 1.0))
    assert "".join([piece async for piece in quote(question)]) == "Thyme is a herb. It grows on walls. [1]"


async def generate(question: Question) -> AsyncGenerator[str, None]:
    for piece in ("One [2", "] and [", "9] and [2]."):
        yield piece


async def test_sources_are_those_that_an_answer_names() -> None:
    cited = Cited(generate, "Sources")
    pieces = [piece async for piece in cited(asked("?", ("a", 1.0), ("b", 1.0), ("c", 1.0)))]
    assert "".join(pieces) == "One [2] and [9] and [2].\n\nSources:\n[2] m.f2, 2.py:1"


async def test_an_answer_that_names_nothing_has_no_sources() -> None:
    assert "".join([piece async for piece in Cited(generate, "Sources")(asked("?"))]) == "One [2] and [9] and [2]."


async def test_a_model_is_told_the_passages(library: Collection) -> None:
    async with serving(stream("It grows without bound [1].")) as server:
        answered = await answer(library, QUESTIONS[1], server.model("herb"))
        (request,) = server.asked
    assert isinstance(request, Asked)
    assert answered.startswith("It grows without bound [1].")
    assert answered.rpartition("\n\n")[2].startswith("Sources:\n[1] functools.lru_cache, functools.py:")
    system, user = request.body["messages"]
    assert request.body["model"] == "herb"
    assert "[1] functools.lru_cache\n" in system["content"]
    assert LRU in flat(system["content"])
    assert user == {"role": "user", "content": QUESTIONS[1]}
