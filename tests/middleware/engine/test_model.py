"""The local model as the service that programs call."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import sage
from sage.errors import GraphError, NotAvailable, Overloaded, ServiceUnavailable
from sage.middleware.engine import TransformersModel
from sage.middleware.errors import ModelRefused
from sage.serving.errors import RequestError
from sage.serving.pieces import Finish, Usage
from sage.testing import assert_nothing_left
from tests.middleware.engine.models import make_tokenizer

MESSAGES = [{"role": "user", "content": "the quick brown"}]
#: Goes on for as long as it may: the end of a text is as good as never drawn among so many tokens.
ENDLESS = {"prompt": "the", "temperature": 100.0, "seed": 1, "max_tokens": 240}


@asynccontextmanager
async def served(folder: str, **options: Any) -> AsyncIterator[TransformersModel]:
    model = TransformersModel(folder, device="cpu", local_files_only=True, **options)
    try:
        await model.start()
        yield model
    finally:
        await model.stop()


async def text_of(model: TransformersModel, request: Any) -> str:
    async with aclosing(model.generate(request)) as pieces:
        return "".join([piece async for piece in pieces])


def before_each_step(model: TransformersModel, function: Callable[[int], object]) -> Any:
    """Have a function called, in the model's thread, with the number of rows of each step."""
    assert model._loaded is not None

    def hook(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        function(len(kwargs["input_ids"]))

    return model._loaded.model.register_forward_pre_hook(hook, with_kwargs=True)


def held_after_the_first_step(model: TransformersModel) -> threading.Event:
    """Have the model's thread wait before each further step until the event is set; it never runs ahead of a test."""
    go_on = threading.Event()
    steps: list[int] = []

    def wait(rows: int) -> None:
        steps.append(rows)
        assert len(steps) == 1 or go_on.wait(60)

    before_each_step(model, wait)
    return go_on


def out_of_memory(rows: int) -> None:
    raise RuntimeError(f"out of memory with {rows} rows")


async def test_a_program_calls_it_by_name(folders: dict[str, str]) -> None:
    env = sage.Environment("local")
    env.register_service("llm", TransformersModel, folders["gpt2"], device="cpu", local_files_only=True)
    async with assert_nothing_left(), env.services() as services:
        llm = services["llm"]
        request = {"messages": MESSAGES, "max_tokens": 12}
        pieces = [piece async for piece in llm.generate(request)]
        whole = await llm.complete(request)
        assert (await services.health())["llm"]["ok"]
    assert 1 < len(pieces) <= 12
    assert whole["text"] == "".join(pieces)
    assert whole["finish_reason"] == "length"
    assert whole["completion_tokens"] == 12


async def test_many_at_once_get_what_each_would_get_alone(folders: dict[str, str]) -> None:
    requests = [{"prompt": f"the {word}", "max_tokens": 16} for word in ("dog", "fox", "quick", "stream", "on", "and")]
    async with served(folders["llama"], max_num_seqs=4, prefill_tokens=5) as model:
        alone = [await text_of(model, request) for request in requests]
        together = await asyncio.gather(*(text_of(model, request) for request in requests * 3))
    assert together == alone * 3


async def test_a_chat_goes_through_the_template(folders: dict[str, str]) -> None:
    async with served(folders["gpt2"]) as model:
        chat = await model.complete({"messages": MESSAGES, "max_tokens": 5})
        text = await model.complete({"prompt": "<|user|>the quick brown<|end|><|assistant|>", "max_tokens": 5})
        assert chat == text
        model._loaded.tokenizer.chat_template = None  # type: ignore[union-attr]  # it has started
        plain = await model.complete({"messages": MESSAGES, "max_tokens": 5})
        assert plain == await model.complete({"prompt": "user: the quick brown\nassistant:", "max_tokens": 5})


async def test_what_an_endpoint_replies_with(folders: dict[str, str]) -> None:
    async with served(folders["gpt2"]) as model:
        replies = [reply async for reply in model.answer({"prompt": "the quick", "max_tokens": 3})]
        prompt_tokens = len(model._loaded.tokenizer.encode("the quick"))  # type: ignore[union-attr]  # it has started
        with pytest.raises(RequestError, match="256") as caught:
            await anext(model.answer("word " * 300))
    assert caught.value.code == "context_length_exceeded"
    assert replies[-2:] == [Usage(prompt_tokens, 3), Finish("length")]
    assert all(isinstance(reply, str) for reply in replies[:-2])


async def test_calls_of_tools_are_told_as_such(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["I look. <tool_", 'call>{"name": "add", "arguments": {}}</tool_call>', ""])

    async def text(place: Any) -> str:
        place.reason = "stop"
        return next(said)

    async with served(folders["gpt2"]) as model:
        monkeypatch.setattr("sage.middleware.engine.batching.Place.text", text)
        tools = [{"type": "function", "function": {"name": "add"}}]
        replies = [reply async for reply in model.answer({"messages": MESSAGES, "tools": tools})]
    assert replies[0] == "I look. "
    assert replies[1].tool_calls[0].name == "add"  # type: ignore[union-attr]  # it is a `Delta`
    assert replies[-1] == Finish("tool_calls")


async def test_whoever_leaves_frees_the_place(folders: dict[str, str]) -> None:
    rows: set[int] = set()
    async with served(folders["gpt2"], max_num_seqs=1, max_waiting=1) as model:
        before_each_step(model, rows.add)
        go_on = held_after_the_first_step(model)
        stream = model.generate(ENDLESS)
        await anext(stream)
        waiting = asyncio.create_task(text_of(model, {"prompt": "dog", "max_tokens": 2}))
        while (await model.health())["waiting"] == 0:
            await asyncio.sleep(0)
        assert await model.health() == {"ok": True, "running": 1, "waiting": 1}
        go_on.set()
        await stream.aclose()
        assert await waiting
        assert await model.health() == {"ok": True, "running": 0, "waiting": 0}
    assert rows == {1}  # nobody computes for the one that has left


async def test_one_that_waits_can_leave(folders: dict[str, str]) -> None:
    async with served(folders["gpt2"], max_num_seqs=1, max_waiting=1) as model:
        go_on = held_after_the_first_step(model)
        stream = model.generate(ENDLESS)
        await anext(stream)
        waiting = asyncio.create_task(text_of(model, "dog"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=r"max_num_seqs.*max_waiting"):
            await text_of(model, "fox")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert (await model.health())["waiting"] == 0
        go_on.set()
        await stream.aclose()


async def test_a_deadline_stops_the_work(folders: dict[str, str]) -> None:
    env = sage.Environment("deadlines")
    env.register_service("llm", TransformersModel, folders["gpt2"], device="cpu", max_num_seqs=1)
    async with env.services() as services:
        llm = services["llm"]
        async with aclosing(llm.generate(ENDLESS)) as stream:
            await anext(stream)
            with pytest.raises(TimeoutError, match="deadline"), sage.deadline(0.01):
                await llm.complete("waits for its place")
        assert (await llm.complete({"prompt": "dog", "max_tokens": 2}))["completion_tokens"] == 2


async def test_the_event_loop_goes_on_meanwhile(folders: dict[str, str]) -> None:
    seen: set[int] = set()
    async with served(folders["gpt2"]) as model:
        before_each_step(model, lambda rows: seen.add(threading.get_ident()))
        await asyncio.gather(*(model.complete({"prompt": word, "max_tokens": 4}) for word in ("dog", "fox")))
    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_a_step_that_fails_is_told_and_the_next_request_is_served(folders: dict[str, str]) -> None:
    async with served(folders["gpt2"]) as model:
        handle = before_each_step(model, out_of_memory)
        with pytest.raises(ServiceUnavailable, match="out of memory") as caught:
            await text_of(model, "dog")
        assert isinstance(caught.value.__cause__, RuntimeError)
        handle.remove()
        assert (await model.complete({"prompt": "dog", "max_tokens": 2}))["completion_tokens"] == 2


async def test_stopping_ends_every_answer(folders: dict[str, str]) -> None:
    async with assert_nothing_left():
        model = TransformersModel(folders["gpt2"], device="cpu", max_num_seqs=1)
        assert await model.health() == {"ok": False}
        await model.start()
        tasks = [asyncio.create_task(text_of(model, ENDLESS)) for _ in range(3)]
        while (await model.health())["running"] == 0:
            await asyncio.sleep(0)
        await model.stop()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} == {ServiceUnavailable}
        with pytest.raises(ServiceUnavailable, match="stopped"):
            await text_of(model, "dog")


async def test_prompts_that_are_too_long_are_refused(folders: dict[str, str]) -> None:
    async with served(folders["gpt2"]) as model:
        with pytest.raises(ModelRefused, match="256"):
            await text_of(model, "word " * 300)
        assert (await model.health())["waiting"] == 0
        nearly = await model.complete({**ENDLESS, "prompt": "o " * 120, "max_tokens": 200})
        assert nearly["prompt_tokens"] + nearly["completion_tokens"] <= 256


async def test_keys_and_values_are_held_of_so_many_tokens(folders: dict[str, str]) -> None:
    rows = list[int]()
    async with served(folders["gpt2"], kv_tokens=32) as model:
        before_each_step(model, rows.append)
        request = {"prompt": "the", "max_tokens": 10}  # 11 tokens: two fit, and a third does not
        first, *others = await asyncio.gather(*(model.complete(request) for _ in range(5)))
        assert first["completion_tokens"] == 10
        assert others == [first] * 4
        assert max(rows) == 2
        long = await model.complete({**ENDLESS, "max_tokens": 200})
        assert (long["prompt_tokens"] + long["completion_tokens"], long["finish_reason"]) == (32, "length")
        with pytest.raises(ModelRefused, match="of the 32 that"):
            await text_of(model, "word " * 32)


async def test_a_server_asks_once_for_each_answer(folders: dict[str, str]) -> None:
    request = sage.serving.ChatRequest(messages=MESSAGES, n=2, temperature=100.0, seed=1, max_tokens=8)
    async with served(folders["gpt2"]) as model:
        assert [reply async for reply in model.answer(request)][-1] == Finish("length")


async def test_a_model_that_is_not_there(tmp_path: Path, folders: dict[str, str]) -> None:
    async with assert_nothing_left():
        with pytest.raises(OSError, match="nothing"):
            async with served(str(tmp_path / "nothing")):
                pass


async def test_a_model_of_another_kind(tmp_path: Path, torch_threads: None) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BloomConfig(vocab_size=300, hidden_size=16, n_layer=1, n_head=2)
    transformers.BloomForCausalLM(config).save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(NotAvailable, match="position_ids"):
        async with served(str(tmp_path)):
            pass


async def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NotAvailable, match=r"sage-streams\[transformers\]"):
        async with served("anything"):
            pass


@pytest.mark.parametrize("option", ["max_num_seqs", "max_waiting", "max_tokens", "prefill_tokens", "kv_tokens"])
def test_numbers_that_cannot_be(option: str) -> None:
    wrong: Any = {option: -1}
    with pytest.raises(GraphError, match=option):
        TransformersModel("anything", **wrong)
