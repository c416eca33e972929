"""Ends a text where one of its stop strings begins, though that may come in pieces."""

from collections.abc import Sequence

__all__ = ["Stops"]


class Stops:
    """Holds back what may be the beginning of a stop string.

    Args:
        stops: the strings; none of them is empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._held = ""

    @property
    def held(self) -> str:
        """What is held back."""
        return self._held

    def feed(self, text: str) -> str:
        """Take a piece, and give what can be shown by now. Once `found`, there is no more."""
        text, self._held = self._held + text, ""
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.found = True
            return text[: min(places)]
        shown = len(text) - self._beginning(text)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """What was held back; to be called when the text has ended."""
        held, self._held = self._held, ""
        return held

    def _beginning(self, text: str) -> int:
        """How long the longest end of `text` is with which a stop string begins."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
