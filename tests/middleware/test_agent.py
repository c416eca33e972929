"""An agent as a loop in the graph."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import sage
from sage.middleware import Agent, Outcome, Reply
from sage.operators.llm import Question, Tool, ToolCall, text_of, user
from sage.testing import virtual_time
from tests.middleware.models import Scripted, calling


async def weather(city: str, days: int = 1) -> dict[str, Any]:
    """The weather of a city."""
    return {"city": city, "sun": days}


def fails() -> None:
    """Never works."""
    raise OSError("no way")


async def sleeps() -> None:
    """Takes long."""
    await asyncio.sleep(100)


async def run(agent: Agent, replies: list[Reply | str], asked: list[dict[str, Any]], *questions: Any) -> list[Outcome]:
    env = sage.Environment("agents")
    env.register_service("chat", Scripted, replies, asked)
    return await agent.answers(env, env.from_iterable(questions or ("How is it?",))).to_list()


async def test_tools_are_called_until_there_is_an_answer() -> None:
    asked: list[dict[str, Any]] = []
    agent = Agent("chat", [weather], instructions="Be kind.", temperature=0)
    replies: list[Reply | str] = [
        calling("weather", '{"city": "Oslo"}'),
        calling("weather", '{"city": "Rom", "days": 2}'),
        "Sunny.",
    ]
    (outcome,) = await run(agent, replies, asked)
    assert (outcome.asked, outcome.text, outcome.stopped, outcome.turns) == ("How is it?", "Sunny.", "answered", 3)
    assert [message["role"] for message in outcome.messages] == [
        *("system", "user", "assistant", "tool", "assistant", "tool", "assistant")
    ]
    assert outcome.messages[3] == {"role": "tool", "tool_call_id": "1", "content": '{"city": "Oslo", "sun": 1}'}
    assert asked[0]["tools"][0]["function"]["name"] == "weather"
    assert (asked[0]["temperature"], "tool_choice" in asked[0]) == (0, False)


async def test_turns_are_bounded_and_the_last_may_not_call() -> None:
    asked: list[dict[str, Any]] = []
    (outcome,) = await run(Agent("chat", [fails], max_turns=3), [calling("fails")] * 5, asked)
    assert (outcome.stopped, outcome.turns, len(asked)) == ("turns", 3, 3)
    assert [one.get("tool_choice") for one in asked] == [None, None, "none"]


@virtual_time
async def test_whatever_goes_wrong_with_a_tool_is_told_to_the_model() -> None:
    asked: list[dict[str, Any]] = []
    long = Tool("long", "Long.", {"type": "object"}, lambda: "x" * 50)
    agent = Agent("chat", [weather, fails, sleeps, long], tool_timeout=5, max_characters=10)
    calls = [
        ToolCall("1", "wether", "{}"),
        ToolCall("2", "weather", '{"town": 1}'),
        ToolCall("3", "weather", "{"),
        ToolCall("4", "fails", ""),
        ToolCall("5", "sleeps", "{}"),
        ToolCall("6", "long", "{}"),
    ]
    (outcome,) = await run(agent, [Reply("", tuple(calls)), "I give up."], asked)
    assert [text_of(message) for message in outcome.messages if message["role"] == "tool"] == [
        "error: there is no tool 'wether'; there are weather, fails, sleeps, long",
        "error: the arguments of weather cannot be: "
        "the value has no 'city'; the value has 'town', which is not allowed",
        "error: the arguments of weather are no JSON: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "error: fails failed: OSError: no way",
        "error: sleeps did not end within tool_timeout=5 s",
        "xxxxxxxxxx… (cut off: 50 characters)",
    ]


async def test_questions_go_round_beside_each_other() -> None:
    asked: list[dict[str, Any]] = []
    replies: list[Reply | str] = [calling("fails"), "one", calling("fails"), "two", "three", "four", "five"]
    questions = ["a", [user("b")], Question("c"), Question("d", messages=(user("d"),)), "e"]
    outcomes = await run(Agent("chat", [fails]), replies, asked, *questions)
    assert sorted(outcome.text for outcome in outcomes) == ["five", "four", "one", "three", "two"]
    assert {str(outcome.asked) for outcome in outcomes} == {str(question) for question in questions}


async def test_without_tools_it_is_one_turn() -> None:
    asked: list[dict[str, Any]] = []
    (outcome,) = await run(Agent("chat", []), ["yes"], asked)
    assert (outcome.text, outcome.turns, "tools" in asked[0]) == ("yes", 1, False)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Agent("chat", [fails, fails]), "the same name"),
        (lambda: Agent("chat", [], max_turns=0), "max_turns=0"),
        (lambda: Agent(5, []), "the name of a service"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(sage.GraphError, match=text):
        make()
