"""JSON in what a model has written."""

import json
from typing import Any

__all__ = ["json_in"]

# A text with more braces that open nothing is not JSON with something around it.
_ATTEMPTS = 100


def json_in(text: str) -> Any:
    """The JSON value that a text is, or holds: models like to put sentences or a code fence around it.

    Of a text that is not JSON as a whole, the longest object or array in it.

    Raises:
        ValueError: there is none; the message says where the text stops being JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        whole = error
    decoder = json.JSONDecoder()
    best: tuple[int, Any] | None = None
    at = 0
    failures = 0
    while failures < _ATTEMPTS and (at := _opening(text, at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            failures += 1
            continue
        if best is None or end - at > best[0]:
            best = (end - at, value)
        at = end
    if best is None:
        raise ValueError(f"there is no JSON in it: {whole}") from None
    return best[1]


def _opening(text: str, start: int) -> int:
    places = [place for place in (text.find("{", start), text.find("[", start)) if place >= 0]
    return min(places, default=-1)
