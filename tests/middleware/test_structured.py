"""Answers that are JSON."""

from typing import Any

import pytest

import sage
from sage.middleware import AnswerInvalid, Structured
from sage.operators.errors import InvalidOperator
from sage.operators.llm import Question, system, user
from tests.middleware.models import Scripted

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


async def ask(structured: Structured[Any], replies: list[str], asked: list[dict[str, Any]], question: Any = "?") -> Any:
    env = sage.Environment("json")
    env.register_service("chat", Scripted, replies, asked)
    async with env.services():
        return await structured(question)


async def test_the_schema_is_sent_and_the_value_returned() -> None:
    asked: list[dict[str, Any]] = []
    assert await ask(Structured("chat", SCHEMA, temperature=0), ['{"age": 7}'], asked) == {"age": 7}
    assert asked == [{"messages": [user("?")], "schema": SCHEMA, "temperature": 0}]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("I am seven", "there is no JSON in it"), ('{"age": "7"}', "age is '7', not of type integer"), ("{}", "no 'age'")],
)
async def test_a_wrong_answer_is_given_back_once_with_what_is_wrong(wrong: str, why: str) -> None:
    asked: list[dict[str, Any]] = []
    assert await ask(Structured("chat", SCHEMA), [wrong, '```json\n{"age": 7}\n```'], asked) == {"age": 7}
    question, answer, complaint = asked[1]["messages"]
    assert (question, answer["content"]) == (user("?"), wrong)
    assert why in complaint["content"]


async def test_an_answer_that_stays_wrong_is_an_error_that_has_it() -> None:
    asked: list[dict[str, Any]] = []
    with pytest.raises(AnswerInvalid, match="chat did not answer as asked: the value has no 'age'") as raised:
        await ask(Structured("chat", SCHEMA, repairs=2), ["x", "y", "{}", "z"], asked)
    assert (raised.value.answer, len(asked)) == ("{}", 3)


async def test_a_check_of_ones_own_makes_the_result() -> None:
    def age(value: dict[str, int]) -> int:
        if value["age"] > 150:
            raise ValueError("nobody is that old")
        return value["age"]

    asked: list[dict[str, Any]] = []
    assert await ask(Structured("chat", SCHEMA, check=age), ['{"age": 999}', '{"age": 99}'], asked) == 99
    assert "nobody is that old" in asked[1]["messages"][-1]["content"]


async def test_questions_and_messages() -> None:
    asked: list[dict[str, Any]] = []
    told = Question("?", messages=(system("be brief"), user("?")))
    for question in (told, list(told.messages), Question("?")):
        await ask(Structured("chat", SCHEMA), ['{"age": 1}'], asked, question)
    assert [len(one["messages"]) for one in asked] == [2, 2, 1]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidOperator, match="'pattern', which is not checked"):
        Structured("chat", {"type": "string", "pattern": "x"})
    with pytest.raises(sage.GraphError, match="repairs=-1"):
        Structured("chat", {}, repairs=-1)
