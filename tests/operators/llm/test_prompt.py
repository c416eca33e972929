"""What a model is told about a question."""

import pytest

from sage.operators.errors import InvalidOperator
from sage.operators.llm import Found, Passage, Prompt, Question, assistant, system, text_of, user

FOUND = tuple(Found(Passage(text, source, title), 1) for text, source, title in [("a b", "x", "X"), ("c d", "y", "Y")])


def test_passages_are_numbered_and_the_question_follows() -> None:
    told = Prompt(system="Use:\n{passages}")(Question("Why?", FOUND)).messages
    assert told == (system("Use:\n[1] a b\n\n[2] c d"), user("Why?"))
    assert "numbered passages" in text_of(Prompt()("Why?").messages[0])


def test_a_conversation_goes_on_and_has_one_system_message() -> None:
    said = (system("old"), user("Who?"), assistant("He."), user("Why?"))
    told = Prompt()(Question("Why?", FOUND, said)).messages
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert "old" not in text_of(told[0])


def test_passages_that_are_too_many_are_left_out_from_the_end() -> None:
    prompt = Prompt(system="{passages}", passage="{title} ({source}): {text}", max_tokens=7)
    assert text_of(prompt(Question("?", FOUND)).messages[0]) == "X (x): a b"
    assert text_of(Prompt(system="{passages}", max_tokens=1)(Question("?", FOUND)).messages[0]) == "[1] a b"
    assert text_of(Prompt(system="{passages}")(Question("?")).messages[0]) == "(There are no passages.)"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"system": "nothing"}, "the one place {passages}"),
        ({"passage": "{size}"}, "there is no size of a passage"),
        ({"max_tokens": 0}, "max_tokens=0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, str], text: str) -> None:
    with pytest.raises(InvalidOperator, match=text):
        Prompt(**options)  # type: ignore[arg-type]
