"""What flows through a pipeline that answers questions."""

from types import SimpleNamespace

import pytest

from sage.operators.llm import Found, InvalidInput, Passage, Question, question_of, user


def test_a_question_is_made_from_what_a_program_is_asked_with() -> None:
    messages = [user("first"), user("last")]
    request = SimpleNamespace(messages=messages)
    question = question_of(request)
    assert (question.text, question.messages, question.request) == ("last", tuple(messages), request)
    assert question_of({"messages": messages}).text == "last"
    assert question_of("text") == Question("text")
    assert question_of(question) is question
    with pytest.raises(InvalidInput, match="5 is no question: give a text"):
        question_of(5)


def test_each_step_adds_its_part() -> None:
    found = [Found(Passage("a", "x", start=3, end=4), 0.5)]
    question = Question("q").found(found).told([user("m")])
    assert question == Question("q", tuple(found), (user("m"),))
    assert found[0].passage.id == "x#3-4"
