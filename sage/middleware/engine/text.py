"""Text from tokens, as they come.

A token is not a text: one letter may be spread over several tokens, and what a token reads as may depend on the one
before it. So tokens are decoded together with some of those before them, and a text whose last letter is not whole yet
is held back. The method is that of vLLM and of text-generation-inference (prefix and read offsets).
"""

from collections.abc import Sequence
from typing import Any

__all__ = ["Detokenizer"]

# How a decoder shows bytes that are no letter, or none yet.
_BROKEN = "\N{REPLACEMENT CHARACTER}"
# How many tokens of the prompt the first tokens of the answer are decoded with.
_CONTEXT = 6


class Detokenizer:
    """Turns the tokens of one sequence into text.

    Args:
        tokenizer: decodes them.
        prompt: the tokens that come before.
    """

    def __init__(self, tokenizer: Any, prompt: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        # Invariant: the text of tokens[:_read] was given, and tokens[_start:_read] end with a whole letter.
        self._tokens = list(prompt[-_CONTEXT:])
        self._start = 0
        self._read = len(self._tokens)

    def feed(self, token: int) -> str:
        """Take a token, and give the text that is certain by now; maybe none."""
        self._tokens.append(token)
        text = self._new_text()
        if not text or text.endswith(_BROKEN):
            return ""
        self._start, self._read = self._read, len(self._tokens)
        if self._start > 256:  # what was given and is not looked at again
            del self._tokens[: self._start]
            self._read -= self._start
            self._start = 0
        return text

    def flush(self) -> str:
        """What was held back; to be called when no more tokens come."""
        text = self._new_text()
        self._read = len(self._tokens)
        return text

    def _new_text(self) -> str:
        given = self._decoded(self._tokens[self._start : self._read])
        return self._decoded(self._tokens[self._start :])[len(given) :]

    def _decoded(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
