"""What the official client of the OpenAI protocol gets."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest

from sage.serving import ChatRequest, CompletionRequest, Delta, Finish, ToolCallDelta, Usage, openai_app
from tests.serving.live import served
from tests.serving.models import CHAT, chat_server, client_of, say
from tests.serving.stand_in import StandIn


async def test_models() -> None:
    async with chat_server() as server:
        models = server.client.models
        assert [(model.id, model.object) async for model in models.list()] == [(CHAT, "model"), ("lengths", "model")]
        assert (await models.retrieve(CHAT)).id == CHAT
        with pytest.raises(openai.NotFoundError) as missing:
            await models.retrieve("nobody")
        assert missing.value.code == "model_not_found"


async def test_a_whole_answer() -> None:
    async with chat_server() as server:
        whole = await server.client.chat.completions.create(**say("one two three"))
    (choice,) = whole.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "one two three ",
        "stop",
    )
    assert whole.usage is not None
    assert (whole.object, whole.model, whole.usage.completion_tokens) == ("chat.completion", CHAT, 3)


async def test_the_chunks_of_a_stream() -> None:
    async with chat_server() as server:
        asked = say("one two", stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in await server.client.chat.completions.create(**asked)]
    first, *middle, finish, last = chunks
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert [chunk.choices[0].delta.content for chunk in middle] == ["one ", "two "]
    assert all(chunk.choices[0].finish_reason is None for chunk in (first, *middle))
    assert (finish.choices[0].delta.model_fields_set, finish.choices[0].finish_reason) == (set(), "stop")
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 2
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert {(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks} == {
        (first.id, first.created, CHAT, "chat.completion.chunk")
    }


async def test_usage_with_every_chunk() -> None:
    async with chat_server() as server:
        options = {"include_usage": True, "continuous_usage_stats": True}
        asked: Any = say("one two", stream=True, stream_options=options)
        chunks = [chunk async for chunk in await server.client.chat.completions.create(**asked)]
    told = [chunk.usage.completion_tokens for chunk in chunks[1:] if chunk.usage is not None]
    assert told[-1] == 2
    assert told == sorted(told)
    assert len(told) == len(chunks) - 1


async def test_the_stream_helper_sees_the_whole_message() -> None:
    async with (
        chat_server() as server,
        server.client.chat.completions.stream(**say("one two three")) as events,
    ):
        kinds = [event.type async for event in events]
        final = await events.get_final_completion()
    assert "content.done" in kinds
    assert (final.choices[0].message.role, final.choices[0].message.content) == ("assistant", "one two three ")


@pytest.mark.parametrize("limit", [{"max_tokens": 2}, {"max_completion_tokens": 2}])
async def test_the_length_is_bounded_though_the_program_does_not_care(limit: dict[str, int]) -> None:
    async with chat_server() as server:
        for words in ("a b c d", "a b"):
            limited = await server.client.chat.completions.create(**say(words, **limit))
            assert (limited.choices[0].message.content, limited.choices[0].finish_reason) == ("a b ", "length")
        whole = await server.client.chat.completions.create(**say("a", **limit))
        assert whole.choices[0].finish_reason == "stop"
        assert server.program.job.asked[0]["value"].max_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_stop_strings(stream: bool) -> None:
    async with chat_server() as server:
        asked = say("one two three four", stop=["three f", "never"], stream=stream)
        if stream:
            chunks = [chunk async for chunk in await server.client.chat.completions.create(**asked)]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            (choice,) = (await server.client.chat.completions.create(**asked)).choices
            text, reason = choice.message.content, choice.finish_reason
        assert (text, reason) == ("one two ", "stop")
        await asyncio.wait_for(server.script.stopped.wait(), 60)


@pytest.mark.parametrize("stream", [False, True])
async def test_several_choices(stream: bool) -> None:
    texts: dict[int, str] = {}
    async with chat_server() as server:
        asked = say("one two", n=3, stream=stream)
        if stream:
            async for chunk in await server.client.chat.completions.create(**asked):
                (choice,) = chunk.choices
                texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
        else:
            whole = await server.client.chat.completions.create(**asked)
            texts = {choice.index: choice.message.content for choice in whole.choices}
        assert len(server.program.job.asked) == 3
    assert texts == dict.fromkeys(range(3), "one two ")


async def tools(request: ChatRequest) -> AsyncIterator[Any]:
    yield Delta(reasoning="they want a sum")
    yield Delta(tool_calls=[ToolCallDelta(0, id="call_7", name="add", arguments="")])
    yield Delta(tool_calls=[ToolCallDelta(0, arguments='{"a":')])
    yield Delta(tool_calls=[ToolCallDelta(0, arguments="1}")])
    yield Usage(prompt_tokens=40, completion_tokens=9)
    yield Finish("tool_calls")


async def test_calls_of_tools() -> None:
    async with chat_server(tools) as server:
        whole = await server.client.chat.completions.create(**say("add"))
        async with server.client.chat.completions.stream(**say("add")) as events:
            final = await events.get_final_completion()
    for choice in (whole.choices[0], final.choices[0]):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls is not None
        (call,) = choice.message.tool_calls
        assert call.type == "function"
        assert (call.id, call.function.name, call.function.arguments) == ("call_7", "add", '{"a":1}')
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (40, 9)


async def test_what_the_program_gets() -> None:
    async with chat_server() as server:
        await server.client.chat.completions.create(
            **say("x", temperature=0.5, seed=7, tools=[], user="ana", response_format={"type": "json_object"}),
            extra_body={"top_k": 40},
            extra_headers={"x-request-id": "abc", "x-request-timeout": "5", "x-request-priority": "-3"},
        )
        (asked,) = server.program.job.asked
    request = asked["value"]
    assert isinstance(request, ChatRequest)
    assert (request.temperature, request.seed, request.user, request.tools) == (0.5, 7, "ana", [])
    assert (request.messages, request.max_tokens, request.stop, request.n) == (say("x")["messages"], None, (), 1)
    assert (request.extra, request.id, request.model) == ({"top_k": 40}, "abc", CHAT)
    assert 4 < asked["deadline"] <= 5
    assert (asked["trace"], asked["priority"]) == ("abc", -3)


async def test_messages_of_several_parts_are_counted_and_passed_on() -> None:
    seen: list[ChatRequest] = []

    async def look(request: ChatRequest) -> AsyncIterator[str]:
        seen.append(request)
        yield "fine"

    parts: Any = [{"type": "text", "text": "x" * 40}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    async with chat_server(look, count_tokens=len) as server:
        create = server.client.chat.completions.create
        whole = await create(model=CHAT, messages=[{"role": "user", "content": parts}])
    assert seen[0].messages == [{"role": "user", "content": parts}]
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (40, 1, 41)


async def test_it_describes_itself() -> None:
    async with chat_server(auth=["x"]) as server, httpx2.AsyncClient(timeout=60) as http:
        told = (await http.get(f"http://127.0.0.1:{server.port}/openapi.json")).json()
    assert told["info"]["title"] == "stand-in"
    assert {"/v1/chat/completions", "/v1/embeddings", "/health"} <= set(told["paths"])
    guarded = {path for path, its in told["paths"].items() if any("security" in one for one in its.values())}
    assert guarded == {path for path in told["paths"] if path.startswith("/v1/")}


async def test_embeddings_as_the_client_asks_for_them() -> None:
    async with chat_server() as server:
        embed = server.client.embeddings.create
        vectors = await embed(model="lengths", input=["a", "bbb"])  # the client asks for base64, and decodes it
        assert [vector.embedding for vector in vectors.data] == [[1.0, 1.0, 0.5], [3.0, 1.0, 0.5]]
        assert [vector.index for vector in vectors.data] == [0, 1]
        floats = await embed(model="lengths", input="four", encoding_format="float")
        assert floats.data[0].embedding == [4.0, 1.0, 0.5]
        text = await embed(model="lengths", input="four", encoding_format="base64")
        in_base64: object = text.data[0].embedding  # which its types do not tell
        assert isinstance(in_base64, str)
        many = await embed(model="lengths", input=["x" * number for number in range(1, 200)])
        assert [vector.embedding[0] for vector in many.data] == [float(number) for number in range(1, 200)]
        with pytest.raises(openai.BadRequestError) as tokens:
            await embed(model="lengths", input=[[1, 2, 3]])
        assert tokens.value.param == "input"


async def test_completions() -> None:
    async def go_on(request: CompletionRequest) -> AsyncIterator[str]:
        for letter in request.prompt:
            yield letter.upper()

    app = openai_app(StandIn({"text": go_on}), completions={"t": "text"})
    async with served(app) as port, client_of(port) as client:
        whole = await client.completions.create(model="t", prompt=["ab", "cd"], n=2, max_tokens=9)
        assert [choice.text for choice in whole.choices] == ["AB", "AB", "CD", "CD"]
        stream = await client.completions.create(model="t", prompt="abc", stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == "ABC"
        with pytest.raises(openai.BadRequestError):
            await client.completions.create(model="t", prompt=[1, 2])


async def test_several_answers_have_seeds_of_their_own() -> None:
    async def tell(request: CompletionRequest) -> AsyncIterator[str]:
        yield str(request.seed)

    app = openai_app(StandIn({"text": tell}), completions={"t": "text"})
    async with served(app) as port, client_of(port) as client:
        whole = await client.completions.create(model="t", prompt=["ab", "cd"], n=2, seed=5)
        assert [choice.text for choice in whole.choices] == ["5", "6", "5", "6"]
        whole = await client.completions.create(model="t", prompt="ab", n=2)
        assert [choice.text for choice in whole.choices] == ["None", "None"]


async def test_the_id_of_a_request_comes_back() -> None:
    async with chat_server() as server:
        raw = await server.client.chat.completions.with_raw_response.create(
            **say("x"), extra_headers={"x-request-id": "mine"}
        )
        assert raw.headers["x-request-id"] == "mine"
        other = await server.client.chat.completions.create(**say("x"))
        assert other._request_id is not None
        assert other._request_id.startswith("req-")


async def test_it_is_watched() -> None:
    async with chat_server(metrics_names="vllm") as server:
        await server.client.chat.completions.create(**say("a b"))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
            assert (await http.get("/health")).json() == {"status": "ok"}
            assert (await http.get("/ready")).status_code == 200
            text = (await http.get("/metrics")).text
            lines = text.splitlines()
    for line in (
        'sage_operator_records_in_total{operator="generate"} 2.0',
        f'sage_generation_tokens_total{{model="{CHAT}"}} 2.0',
        f'vllm:generation_tokens_total{{model_name="{CHAT}"}} 2.0',
        f'vllm:time_to_first_token_seconds_count{{model_name="{CHAT}"}} 1.0',
        f'sage_requests_total{{model="{CHAT}",route="/v1/chat/completions",status="200"}} 1.0',
        "vllm:num_requests_waiting 0.0",
        "vllm:num_requests_running 0.0",
    ):
        assert line in lines, text
