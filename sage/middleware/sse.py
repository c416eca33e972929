"""Server-sent events, read from bytes that were cut anywhere. (HTML Living Standard, 9.2.6.)"""

from codecs import getincrementaldecoder
from typing import NamedTuple

__all__ = ["ServerEvent", "SseReader"]

_UTF8 = getincrementaldecoder("utf-8")


class ServerEvent(NamedTuple):
    """One event.

    Attributes:
        data: its lines of data, joined by newlines.
        kind: what the server calls it; ``"message"`` unless it says.
    """

    data: str
    kind: str = "message"


class SseReader:
    """Makes events of the pieces of a response, as they arrive.

    Lines end with LF, CR LF or CR; letters, line ends and events may be cut anywhere between two pieces. Comments, and
    fields other than ``data`` and ``event``, are passed over. An event that is not ended by an empty line is none.

    Args:
        max_characters: how long an event may be.
    """

    def __init__(self, max_characters: int = 16 * 1024 * 1024) -> None:
        self._decoder = _UTF8("replace")
        self._max_characters = max_characters
        # The line that has no end yet, and whether a LF would belong to the CR before.
        self._partial: list[str] = []
        self._after_cr = False
        self._first = True
        # The event that has no end yet.
        self._data: list[str] = []
        self._kind = ""
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """The events that are whole now.

        Raises:
            ValueError: an event is longer than it may be.
        """
        text = self._decoder.decode(piece)
        if self._first and text:
            self._first = False
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        if text.endswith("\r"):
            self._after_cr = True
        self._size += len(text)
        if self._size > self._max_characters:
            raise ValueError(f"an event is longer than {self._max_characters} characters")
        *lines, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        events = []
        for line in lines:
            if self._partial:
                line = "".join((*self._partial, line))  # the whole line in place of its end
                self._partial.clear()
            if line:
                self._take(line)
            elif (event := self._ended()) is not None:
                events.append(event)
        if rest:
            self._partial.append(rest)
        if events:
            self._size = len(rest)
        return events

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value

    def _ended(self) -> ServerEvent | None:
        data, kind = self._data, self._kind
        self._data, self._kind, self._size = [], "", 0
        return ServerEvent("\n".join(data), kind or "message") if data else None
