"""Vectors of texts."""

import asyncio
import json
from array import array
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import sage
from sage.middleware import AnswerBroken, EmbeddingModel, HashEmbedder, ModelServer, ModelTimeout, ModelUnreachable
from sage.testing import assert_nothing_left
from tests.middleware.openai_server import Answer, Asked, refusal, serving

JSON = {"content-type": "application/json"}


def lengths(asked: Asked) -> Answer:
    """Answers in base64, and out of order."""
    entries = [
        {"index": number, "object": "embedding", "embedding": encoded(len(text), 0.5)}
        for number, text in enumerate(asked.body["input"])
    ]
    return json_answer({"object": "list", "data": entries[::-1]})


def encoded(*numbers: float) -> str:
    return b64encode(array("f", numbers).tobytes()).decode()


def json_answer(body: Any) -> Answer:
    return Answer([json.dumps(body).encode()], headers=JSON)


@asynccontextmanager
async def embedding(*servers: ModelServer, **options: Any) -> AsyncIterator[EmbeddingModel]:
    embedder = EmbeddingModel(*servers, **{"attempts": 1, **options})
    await embedder.start()
    try:
        yield embedder
    finally:
        await embedder.stop()


async def test_texts_asked_for_together_go_together_and_equal_ones_once() -> None:
    async with assert_nothing_left(), serving(lengths) as server, embedding(server.model(key="k")) as embedder:
        vectors = await asyncio.gather(*(embedder.embed(text) for text in ("a", "bbb", "a")))
        assert vectors == [[1.0, 0.5], [3.0, 0.5], [1.0, 0.5]]
        (asked,) = server.asked
        assert asked.path == "/v1/embeddings"
        assert asked.body == {"model": "m", "input": ["a", "bbb"], "encoding_format": "base64"}
        assert await embedder.embed("a") == [1.0, 0.5]
        assert (await embedder.health())["cache"] == {"hits": 1, "joins": 1, "misses": 2, "evictions": 0}


async def test_many_at_once_keep_their_order() -> None:
    async with serving(lengths, lengths, lengths) as server, embedding(server.model(), max_size=2) as embedder:
        assert [v[0] for v in await embedder.embed_many(["a", "bb", "ccc", "bb", "dddd", "eeeee"])] == [
            1,
            2,
            3,
            2,
            4,
            5,
        ]
        assert sorted(len(asked.body["input"]) for asked in server.asked) == [1, 2, 2]


async def test_numbers_as_such_are_understood_as_well() -> None:
    async with (
        serving(json_answer({"data": [{"index": 0, "embedding": [1, 2.5]}]})) as server,
        embedding(server.model()) as embedder,
    ):
        assert await embedder.embed("x") == [1.0, 2.5]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (json_answer({"data": []}), "given 1 texts and gave 0 vectors"),
        (json_answer({"data": [{"index": 0, "embedding": "?"}]}), "not what the protocol says"),
        (json_answer({"data": [{"index": 0}]}), "not what the protocol says"),
        (json_answer([]), "not what the protocol says"),
        (Answer([b"{"], headers=JSON), "no JSON"),
        (Answer([b"{"], headers=JSON, cut=True), "the connection broke"),
    ],
)
async def test_answers_that_are_broken(answer: Answer, text: str) -> None:
    async with serving(answer) as server, embedding(server.model()) as embedder:
        with pytest.raises(AnswerBroken, match=text):
            await embedder.embed("x")


async def test_a_failure_is_tried_again_then_elsewhere_and_not_kept() -> None:
    async with (
        serving(refusal(500), lengths) as server,
        embedding(server.model(), attempts=2, pause=0.001) as embedder,
    ):
        assert await embedder.embed("xx") == [2.0, 0.5]
    async with (
        serving(refusal(404)) as one,
        serving(lengths) as other,
        embedding(one.model(), other.model()) as embedder,
    ):
        assert await embedder.embed("xx") == [2.0, 0.5]
    async with serving(refusal(500), lengths) as server, embedding(server.model()) as embedder:
        answers = await asyncio.gather(embedder.embed("x"), embedder.embed("x"), return_exceptions=True)
        assert all(isinstance(answer, sage.SageError) for answer in answers)
        assert await embedder.embed("x") == [1.0, 0.5]


async def test_a_request_takes_no_longer_than_it_may() -> None:
    async with (
        assert_nothing_left(),
        serving(Answer(silent=True)) as server,
        embedding(server.model(), time_limit=0.02) as embedder,
    ):
        with pytest.raises(ModelTimeout, match=r"within time_limit=0.02 s"):
            await embedder.embed("x")
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_when_nobody_waits_any_more_the_connection_is_closed() -> None:
    async with assert_nothing_left(), serving(Answer(silent=True)) as server, embedding(server.model()) as embedder:
        asking = asyncio.create_task(embedder.embed_many(["a", "b"]))
        await server.came.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_it_must_be_started_and_given_what_can_be() -> None:
    with pytest.raises(ModelUnreachable, match="before it was started"):
        await EmbeddingModel(ModelServer("http://x", "m")).embed("x")
    with pytest.raises(sage.GraphError, match="give one ModelServer"):
        EmbeddingModel()
    with pytest.raises(sage.GraphError, match="max_size=0"):
        EmbeddingModel(ModelServer("http://x", "m"), max_size=0)


async def test_without_a_model() -> None:
    env = sage.Environment("hashes")
    env.register_service("embedder", HashEmbedder, 64)
    async with env.services() as services:
        one = await services["embedder"].embed("a red rose")
        many = await services["embedder"].embed_many(["a red rose", "red roses", "an engine"])
    assert one == many[0]
    near, far = (sum(x * y for x, y in zip(one, other, strict=True)) for other in many[1:])
    assert near > 0.8 > 0.3 > far
