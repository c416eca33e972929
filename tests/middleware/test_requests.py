"""The steps as parts of programs that answer requests: what a caller does reaches the model."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

import sage
from sage.middleware import Agent, ChatModel, Generate, ModelRefused, Reply
from sage.operators.llm import Prompt, question_of, text_of
from sage.testing import assert_nothing_left
from tests.middleware.models import calling
from tests.middleware.openai_server import Answer, Server, chunk, refusal, serving, stream


def program(server: Server) -> sage.Environment:
    env = sage.Environment("requests")
    env.register_service("chat", ChatModel, server.model(), attempts=1)
    env.endpoint("ask").map(question_of).map(Prompt()).flat_map(Generate("chat"), concurrency=8).reply()
    return env


async def drain(answer: Any) -> list[Any]:
    return [part async for part in answer]


async def test_each_request_gets_its_own_answer() -> None:
    def echo(asked: Any) -> Answer:
        return stream(text_of(asked.body["messages"][-1]))

    async with assert_nothing_left(), serving(*[echo] * 10) as server, program(server).start() as job:
        answers = await asyncio.gather(*(drain(job.stream("ask", f"number {number}")) for number in range(10)))
        assert answers == [["number ", f"{number} "] for number in range(10)]


async def test_a_caller_that_leaves_closes_the_connection_to_the_model() -> None:
    async with serving(Answer([chunk("a"), chunk("b")], stall=True)) as server, program(server).start() as job:
        async with aclosing(job.stream("ask", "on and on")) as answer:
            async for _ in answer:
                break
        await asyncio.wait_for(server.alone.wait(), 60)
        assert job.open_calls == 0


async def test_a_caller_that_is_cancelled_before_the_first_token_does_too() -> None:
    async with serving(Answer(silent=True)) as server, program(server).start() as job:
        asking = asyncio.create_task(drain(job.stream("ask", "anybody?")))
        await server.came.wait()
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_a_deadline_that_passes_does_too() -> None:
    async with serving(Answer([chunk("a")], stall=True)) as server, program(server).start() as job:
        with pytest.raises(sage.DeadlineExceeded):
            await drain(job.stream("ask", "slowly", deadline=0.05))
        await asyncio.wait_for(server.alone.wait(), 60)


async def test_an_error_of_the_model_is_that_of_one_request() -> None:
    async with serving(refusal(400, "too long"), stream("fine")) as server, program(server).start() as job:
        with pytest.raises(ModelRefused, match="too long"):
            await drain(job.stream("ask", "much"))
        assert await drain(job.stream("ask", "little")) == ["fine "]


class Counter(sage.Service):
    """Stands for a model: calls the tool as often as the question says."""

    async def chat(self, messages: list[Any], **options: Any) -> Reply:
        wanted = int(text_of(messages[0]))
        done = sum(message["role"] == "tool" for message in messages)
        return calling("touch") if done < wanted else Reply(f"{wanted} times")


async def touch() -> str:
    """Touch it."""
    await asyncio.sleep(0)
    return "touched"


async def test_an_agent_answers_requests_each_with_turns_of_its_own() -> None:
    env = sage.Environment("agent")
    env.register_service("chat", Counter)
    agent = Agent("chat", [touch], max_turns=6)
    agent.answers(env, env.endpoint("ask")).map(lambda outcome: (outcome.text, outcome.turns)).reply()
    async with env.start() as job:
        answers = await asyncio.wait_for(asyncio.gather(*(job.call("ask", str(number)) for number in range(5))), 60)
        assert answers == [(f"{number} times", number + 1) for number in range(5)]
        assert job.open_calls == 0
