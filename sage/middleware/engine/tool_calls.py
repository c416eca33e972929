"""Calls of tools in the text of a model.

::

    I look it up. <tool_call>
    {"name": "weather", "arguments": {"city": "Oslo"}}
    </tool_call>

So write models of the families Qwen and Hermes, and many others; what is in another form stays text.
"""

import json
import uuid
from typing import Any

from sage.serving.pieces import Delta, ToolCallDelta
from sage.serving.stops import Stops

__all__ = ["ToolCallReader"]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


class ToolCallReader:
    """Tells text from calls of tools, as it comes."""

    def __init__(self) -> None:
        #: How many calls there were.
        self.calls = 0
        self._outside = Stops([_OPEN])
        # What stands behind the mark that opens a call; `None` outside of one.
        self._inside: str | None = None

    def feed(self, text: str) -> list[str | Delta]:
        """Take a piece of text, and give what can be told by now."""
        found: list[str | Delta] = []
        while text:
            if self._inside is None:
                text = self._before_call(text, found)
            else:
                text = self._in_call(text, found)
        return found

    def flush(self) -> list[str | Delta]:
        """What was held back; to be called when the text has ended. A call that was not closed may be whole."""
        if self._inside is None:
            held = self._outside.flush()
            return [held] if held else []
        inside, self._inside = self._inside, None
        return [self._call(inside, "")]

    def _before_call(self, text: str, found: list[str | Delta]) -> str:
        """Take text up to a call; gives what stands behind the mark that opens it."""
        held = self._outside.held
        shown = self._outside.feed(text)
        if shown:
            found.append(shown)
        if not self._outside.found:
            return ""
        self._outside, self._inside = Stops([_OPEN]), ""
        return (held + text)[len(shown) + len(_OPEN) :]

    def _in_call(self, text: str, found: list[str | Delta]) -> str:
        """Take text up to the end of the call; gives what stands behind it."""
        assert self._inside is not None
        self._inside += text
        inside, closed, rest = self._inside.partition(_CLOSE)
        if not closed:
            return ""
        self._inside = None
        found.append(self._call(inside, _CLOSE))
        return rest

    def _call(self, inside: str, closed: str) -> str | Delta:
        """The call; as text, if it is none."""
        try:
            told: Any = json.loads(inside)
            name, arguments = told["name"], told.get("arguments", told.get("parameters", {}))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return f"{_OPEN}{inside}{closed}"
        if not isinstance(name, str):
            return f"{_OPEN}{inside}{closed}"
        written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        call = ToolCallDelta(self.calls, f"call_{uuid.uuid4().hex}", name, written)
        self.calls += 1
        return Delta(tool_calls=[call])
