"""Messages as the protocol writes them."""

from sage.operators.llm import ToolCall, assistant, last_question, system, text_of, tool_result, user


def test_messages_are_those_of_the_protocol() -> None:
    call = ToolCall("id", "add", '{"a": 1}')
    assert [system("s"), user("u"), assistant("a"), assistant(None, [call]), tool_result(call, "2")] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "id", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "id", "content": "2"},
    ]


def test_the_text_of_a_message_with_parts_is_that_of_its_texts() -> None:
    parts = [
        {"type": "text", "text": "what is "},
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "it"},
    ]
    assert text_of({"role": "user", "content": parts}) == "what is it"
    assert text_of(assistant(None)) == ""


def test_the_last_question_is_that_of_the_last_user() -> None:
    assert last_question([user("one"), user("two"), assistant("three")]) == "two"
    assert last_question([assistant("x")]) == ""
