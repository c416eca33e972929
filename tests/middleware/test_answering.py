"""The steps of a pipeline that answers questions."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import sage
from sage.middleware import Extract, Generate, HashEmbedder, Library, Rerank, Retrieve, answering
from sage.operators.llm import (
    Collection,
    Document,
    ExactIndex,
    Found,
    InvalidInput,
    Passage,
    Prompt,
    Question,
    TextSplitter,
    hash_embedding,
    user,
)
from tests.middleware.models import Scripted

TEXTS = {
    "loop": "An event loop runs tasks. It never blocks.",
    "queue": "A queue holds items until a task takes them.",
    "lock": "A lock is held by one task at a time.",
}
PASSAGES = [Passage(text, name, end=len(text)) for name, text in TEXTS.items()]


def by_words() -> Collection:
    library = Collection()
    library.add(PASSAGES)
    return library


def by_both() -> Collection:
    library = Collection(vectors=ExactIndex(64))
    library.add(PASSAGES, [hash_embedding(passage.text, 64) for passage in PASSAGES])
    return library


def sources(question: Question) -> list[str]:
    return [found.passage.source for found in question.passages]


async def test_a_whole_pipeline_without_a_model() -> None:
    env = sage.Environment("answers")
    answers = (
        env.from_iterable(["What holds items?", "Who blocks an event loop?", "Where is Oslo?"])
        .map(Retrieve(by_words(), limit=2))
        .map(Rerank(lambda question, texts: [-len(text) for text in texts], limit=1))
        .flat_map(Extract())
    )
    assert await answers.to_list() == [
        "A queue holds items until a task takes them. [1]",
        "An event loop runs tasks. [1]",
        " It never blocks. [1]",
        "The passages do not tell.",
    ]


async def test_a_whole_pipeline_with_one() -> None:
    asked: list[dict[str, Any]] = []
    env = sage.Environment("generated")
    env.register_service("embedder", HashEmbedder, 64)
    env.register_service("chat", Scripted, ["a queue [1]", "none"], asked)
    chat = SimpleNamespace(messages=[user("hi"), user("What holds items?")], max_tokens=5, temperature=None)
    questions: list[Any] = [chat, "And what is held?"]
    answers = (
        env.from_iterable(questions)
        .map(Retrieve(by_both(), embed="embedder", limit=1))
        .map(Prompt(system="Use: {passages}"))
        .flat_map(Generate("chat", temperature=0), concurrency=1)
    )
    assert await answers.to_list() == ["a ", "queue ", "[1] ", "none "]
    assert asked[0] == {
        "messages": [{"role": "system", "content": f"Use: [1] {TEXTS['queue']}"}, *chat.messages],
        "temperature": 0,
        "max_tokens": 5,
    }
    assert [message["role"] for message in asked[1]["messages"]] == ["system", "user"]


async def test_documents_are_split_and_indexed_by_a_program_and_found_through_a_service() -> None:
    env = sage.Environment("library")
    env.register_service("embedder", HashEmbedder, 64)
    env.register_service("library", Library, embedder="embedder", dimensions=64)

    async def add(passages: list[Passage]) -> list[int]:
        return [await sage.service("library").add(passages)]

    async with env.services() as services:
        for name, text in TEXTS.items():
            await services["library"].add(TextSplitter(max_tokens=8)(Document(text, name)))
        assert await services["library"].size() == 6
        assert sources(await Retrieve("library", limit=2)("a lock that is held"))[0] == "lock"


async def test_a_large_collection_is_searched_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_FEW", 2)
    assert sources(await Retrieve(by_words(), limit=1)("What holds items?")) == ["queue"]


async def test_a_library_that_was_filled_before() -> None:
    env = sage.Environment("filled")
    env.register_service("library", Library, by_words())
    async with env.services():
        assert sources(await Retrieve("library", limit=1)("items")) == ["queue"]


async def test_scores_may_come_from_elsewhere() -> None:
    class Reranker(sage.Service):
        async def score(self, question: str, texts: list[str]) -> list[float]:
            return [float("held" in text) for text in texts]

    question = Question("x", tuple(Found(passage, 1) for passage in PASSAGES))
    env = sage.Environment("reranked")
    env.register_service("reranker", Reranker)
    async with env.services():
        assert sources(await Rerank("reranker")(question)) == ["lock", "loop", "queue"]

    async def score(question: str, texts: list[str]) -> list[float]:
        return [1.0, 3.0, 2.0][: len(texts)]

    assert sources(await Rerank(score, limit=2)(question)) == ["queue", "lock"]
    assert await Rerank(score)(Question("x")) == Question("x")
    with pytest.raises(sage.GraphError, match="given 3 texts and gave 1 scores"):
        await Rerank(lambda question, texts: [1])(question)


async def test_a_question_without_messages_is_not_sent() -> None:
    with pytest.raises(sage.GraphError, match=r"put .map\(Prompt\(\)\) before it"):
        await anext(Generate("chat")(Question("x")))


async def test_what_is_no_question_fails_its_own_request_only() -> None:
    env = sage.Environment("rag")
    env.endpoint("ask").map(Retrieve(by_words())).flat_map(Extract()).reply()
    async with env.start() as job:
        for odd in (5, None, {"text": "why"}):
            with pytest.raises(InvalidInput, match="is no question"):
                await job.call("ask", odd)
        assert await job.call("ask", "queue")


async def test_a_vector_of_another_length_fails_its_own_request_only() -> None:
    async def embed(text: str) -> list[float]:
        return [1.0] * int(text)

    collection = Collection(texts=None, vectors=ExactIndex(2))
    collection.add([Passage("a", "a")], [[1.0, 0.0]])
    env = sage.Environment("rag")
    env.endpoint("ask").map(Retrieve(collection, embed=embed)).map(lambda question: len(question.passages)).reply()
    async with env.start() as job:
        with pytest.raises(InvalidInput, match="vectors of 2 numbers"):
            await job.call("ask", "3")
        assert await job.call("ask", "2") == 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Retrieve(5), "give a Collection"),  # type: ignore[arg-type]
        (lambda: Retrieve(by_both()), "give embed="),
        (lambda: Retrieve(by_words(), limit=0), "limit=0"),
        (lambda: Rerank("scores", limit=0), "limit=0"),
        (lambda: Rerank(5), "a function of a question and texts"),  # type: ignore[arg-type]
        (lambda: Generate(5), "the name of a service"),  # type: ignore[arg-type]
        (lambda: Extract(limit=0), "number of sentences"),
        (lambda: Library(embedder="e"), "give both, or neither"),
        (lambda: Library(by_both()), "give embedder="),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(sage.GraphError, match=text):
        make()
