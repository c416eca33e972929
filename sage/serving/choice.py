"""One of the answers to a request, as it comes in: what of it is shown, why it ends, what it used."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sage.operators.errors import shorten
from sage.serving.pieces import Delta, Finish, Usage
from sage.serving.stops import Stops

__all__ = ["Choice", "Piece"]

#: What is shown: text, or more than text.
Piece = str | Delta


class Choice:
    """Takes the records of an answer and says what to show.

    Args:
        index: its number among those of the request.
        max_tokens: how many pieces are shown at most; `None` for all.
        stops: texts that end it.
    """

    def __init__(self, index: int = 0, *, max_tokens: int | None = None, stops: Sequence[str] = ()) -> None:
        self.index = index
        #: Whether nothing more is wanted.
        self.ended = False
        #: How many pieces were taken, each of which is counted as a token.
        self.pieces = 0
        self._max = max_tokens
        self._stops = Stops(stops) if stops else None
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._called_tools = False

    def take(self, records: Sequence[Any]) -> Sequence[Piece]:
        """Take what has come, and give what can be shown by now.

        Raises:
            TypeError: a record is nothing that can be shown.
        """
        if self._takes_all_as_they_are(records):
            self.pieces += len(records)
            return records
        return [piece for record in records for piece in self._shown(record)]

    def end(self) -> list[Piece]:
        """What was held back until the end of the answer."""
        held = self._stops.flush() if self._stops is not None and not self._stops.found else ""
        return [held] if held else []

    @property
    def finish_reason(self) -> str:
        """Why it ended: what the program said, or what can be seen from here."""
        if self._reason is not None:
            return self._reason
        if self._max is not None and self.pieces >= self._max:
            return "length"
        return "tool_calls" if self._called_tools else "stop"

    @property
    def completion_tokens(self) -> int:
        """How many tokens the answer has: what the program said, or the number of pieces."""
        said = self._usage.completion_tokens if self._usage is not None else None
        return self.pieces if said is None else said

    @property
    def prompt_tokens(self) -> int | None:
        """How many tokens the request had, if the program said so."""
        return self._usage.prompt_tokens if self._usage is not None else None

    def _takes_all_as_they_are(self, records: Sequence[Any]) -> bool:
        """Whether they are nothing but text that is shown: the usual case, decided for all of them at once."""
        within = self._max is None or self.pieces + len(records) <= self._max
        return within and not self.ended and self._stops is None and set(map(type, records)) == {str}

    def _shown(self, record: Any) -> Iterator[Piece]:
        if self.ended:
            if isinstance(record, Usage):
                self._usage = record
        elif isinstance(record, str | Delta):
            yield from self._of_piece(record)
        elif isinstance(record, Finish):
            self._reason = record.reason
            self.ended = True
        elif isinstance(record, Usage):
            self._usage = record
        else:
            raise TypeError(
                f"an endpoint for chat or completions replied with {shorten(record)}: reply with str, or with "
                f"Delta, Usage and Finish of sage.serving"
            )

    def _of_piece(self, piece: Piece) -> Iterator[Piece]:
        # The piece behind the last is what shows that there is more than may be: a `Usage` or a `Finish` that comes
        # there instead is still taken.
        if self._max is not None and self.pieces >= self._max:
            self.ended = True
            return
        self.pieces += 1
        if isinstance(piece, str):
            shown = self._until_stop(piece)
            if shown or self._stops is None:
                yield shown
            return
        self._called_tools = self._called_tools or bool(piece.tool_calls)
        if piece.tool_calls:
            yield from self.end()  # what was held back stands before them
        yield replace(piece, content=self._until_stop(piece.content)) if piece.content else piece

    def _until_stop(self, text: str) -> str:
        """What of a text can be shown by now."""
        if self._stops is None:
            return text
        shown = self._stops.feed(text)
        if self._stops.found:
            self._reason = "stop"
            self.ended = True
        return shown
