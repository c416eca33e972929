"""Calls of tools that a model writes into its text."""

import json

import pytest

from sage.middleware.engine.tool_calls import ToolCallReader
from sage.serving.pieces import Delta

WEATHER = '<tool_call>\n{"name": "weather", "arguments": {"city": "Ås"}}\n</tool_call>'
TIME = '<tool_call>{"name": "time", "parameters": {}}</tool_call>'


def read(text: str, size: int) -> tuple[str, list[tuple[int, str, object]]]:
    """The text and the calls in it, when it comes in pieces of a size."""
    reader = ToolCallReader()
    pieces = [piece for start in range(0, len(text), size) for piece in reader.feed(text[start : start + size])]
    pieces += reader.flush()
    calls = [call for piece in pieces if isinstance(piece, Delta) for call in piece.tool_calls]
    assert len({call.id for call in calls}) == len(calls) == reader.calls
    told = [(call.index, call.name or "", json.loads(call.arguments)) for call in calls]
    return "".join(piece for piece in pieces if isinstance(piece, str)), told


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("text", "shown", "calls"),
    [
        ("no tool", "no tool", []),
        (f"look: {WEATHER}", "look: ", [(0, "weather", {"city": "Ås"})]),
        (f"{WEATHER}\n{TIME} done", "\n done", [(0, "weather", {"city": "Ås"}), (1, "time", {})]),
        (WEATHER.removesuffix("</tool_call>"), "", [(0, "weather", {"city": "Ås"})]),
        ("a <tool_cal", "a <tool_cal", []),
        ("a <tool_call>", "a <tool_call>", []),
        ("<tool_call>weather()</tool_call>!", "<tool_call>weather()</tool_call>!", []),
        ('<tool_call>{"name": 3}</tool_call>', '<tool_call>{"name": 3}</tool_call>', []),
        ("<tool_call>[]</tool_call>", "<tool_call>[]</tool_call>", []),
        ('<tool_call>{"arguments": {}}</tool_call>', '<tool_call>{"arguments": {}}</tool_call>', []),
        ("<<tool_call>" + TIME.removeprefix("<tool_call>"), "<", [(0, "time", {})]),
    ],
)
def test_calls_are_told_from_text(text: str, shown: str, calls: list[object], size: int) -> None:
    assert read(text, size) == (shown, calls)


def test_text_is_not_held_back_longer_than_it_must_be() -> None:
    reader = ToolCallReader()
    assert reader.feed("a < b <tool") == ["a < b "]
    assert reader.feed("s>") == ["<tools>"]
