"""The synthetic server as the official client of the protocol sees it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from sage.serving.mock import MockServer

openai = pytest.importorskip("openai", reason="needs the official client: pip install openai")

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = [{"role": "user", "content": "one two three"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(url: str) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as made:
        yield made


async def test_models_are_listed(client: Any) -> None:
    assert [model.id async for model in client.models.list()] == ["mock", "a/b"]
    assert (await client.models.retrieve("a/b")).id == "a/b"
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("nobody")
    assert caught.value.code == "model_not_found"


async def test_a_whole_answer(client: Any) -> None:
    answer = await client.chat.completions.create(model="mock", messages=MESSAGES)
    text = answer.choices[0].message.content
    assert len(text.split()) == 8
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 8, 11)
    again = await client.chat.completions.create(model="mock", messages=MESSAGES)
    other = await client.chat.completions.create(model="mock", messages=MESSAGES, seed=7)
    assert again.choices[0].message.content == text != other.choices[0].message.content


async def test_a_streamed_answer_is_the_same_word_by_word(client: Any) -> None:
    whole = await client.chat.completions.create(model="mock", messages=MESSAGES)
    stream = await client.chat.completions.create(
        model="mock", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content for chunk in chunks[1:-2]]
    assert len(texts) == 8
    assert "".join(texts) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-2].usage is None
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 8
    assert len({chunk.id for chunk in chunks}) == 1


async def test_each_token_tells_when_it_was_due(client: Any, app: MockServer) -> None:
    stream = await client.chat.completions.create(model="mock", messages=MESSAGES, stream=True)
    marks = [(chunk.sage_mock, app.clock.now()) async for chunk in stream if hasattr(chunk, "sage_mock")]
    assert [mark["token"] for mark, _ in marks] == list(range(8))
    assert all(mark["due"] <= came for mark, came in marks)
    due = [mark["due"] for mark, _ in marks]
    assert [later - sooner for sooner, later in pairwise(due)] == pytest.approx([0.001] * 7, abs=1e-5)


async def test_the_streaming_helper_accumulates(client: Any) -> None:
    async with client.chat.completions.stream(model="mock", messages=MESSAGES) as events:
        final = await events.get_final_completion()
    assert final.choices[0].message.role == "assistant"
    assert len(final.choices[0].message.content.split()) == 8


async def test_the_length_of_an_answer(client: Any) -> None:
    short = await client.chat.completions.create(model="mock", messages=MESSAGES, max_completion_tokens=3)
    assert (len(short.choices[0].message.content.split()), short.choices[0].finish_reason) == (3, "length")
    exact = await client.chat.completions.create(
        model="mock", messages=MESSAGES, max_tokens=20, extra_body={"ignore_eos": True}
    )
    assert (exact.usage.completion_tokens, exact.choices[0].finish_reason) == (20, "length")
    words = exact.choices[0].message.content.split()
    stopped = await client.chat.completions.create(model="mock", messages=MESSAGES, stop=[" " + words[3]])
    assert stopped.choices[0].message.content == " ".join(words[: words.index(words[3])])
    assert stopped.choices[0].finish_reason == "stop"


async def test_completions(client: Any) -> None:
    whole = await client.completions.create(model="a/b", prompt="one two", max_tokens=4)
    assert len(whole.choices[0].text.split()) == 4
    stream = await client.completions.create(model="a/b", prompt=["one two"], max_tokens=4, stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == whole.choices[0].text
    assert (await client.completions.create(model="a/b", prompt=[1, 2, 3])).usage.prompt_tokens == 3


async def test_embeddings_are_the_same_packed_or_not(client: Any) -> None:
    packed = await client.embeddings.create(model="mock", input=["a red house", "a red horse", "tax law"])
    plain = await client.embeddings.create(model="mock", input=["a red house"], encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert len(plain.data[0].embedding) == 16

    def nearness(one: int, other: int) -> float:
        pairs = zip(packed.data[one].embedding, packed.data[other].embedding, strict=True)
        return float(sum(x * y for x, y in pairs))

    assert nearness(0, 0) == pytest.approx(1, abs=1e-5)
    assert nearness(0, 1) > nearness(0, 2)
    longer = await client.embeddings.create(model="mock", input="a", dimensions=100)
    assert len(longer.data[0].embedding) == 100


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "no"}, "messages"),
        ({"messages": [{"content": "no role"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages"),
        ({"messages": MESSAGES, "max_tokens": -1}, "max_tokens"),
        ({"messages": MESSAGES, "max_tokens": True}, "max_tokens"),
        ({"messages": MESSAGES, "n": 2}, "n"),
        ({"messages": MESSAGES, "stop": [3]}, "stop"),
        ({"messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"messages": MESSAGES, "stream_options": []}, None),
        ({"messages": MESSAGES, "stream_options": [1]}, "stream_options"),
    ],
)
async def test_wrong_requests_are_told_what_is_wrong(client: Any, body: dict[str, object], param: str | None) -> None:
    request = client.post("/chat/completions", body={"model": "mock", **body}, cast_to=object)
    if param is None:
        await request  # an empty list holds no options
        return
    with pytest.raises(openai.BadRequestError) as caught:
        await request
    assert caught.value.param == param


async def test_more_than_may_wait_are_sent_away(client: Any, app: MockServer) -> None:
    def ask(**headers: str) -> Any:
        return client.chat.completions.create(model="mock", messages=MESSAGES, extra_headers=headers)

    stuck = [asyncio.create_task(ask(**{"x-mock-stall": "0"})) for _ in range(3)]
    while app.engine.waiting == 0:  # two run
        await asyncio.sleep(0)
    with pytest.raises(openai.RateLimitError, match="max_waiting") as caught:
        await ask()
    assert float(caught.value.response.headers["retry-after"]) > 0
    for task in stuck:
        task.cancel()
    await asyncio.wait(stuck)
    while app.engine.running:
        await asyncio.sleep(0)
    assert (await ask()).choices
