"""One answer while it is made: which tokens, how they read, and when it ends."""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from sage.middleware.engine.sampling import Sampler, Sampling
from sage.middleware.engine.text import Detokenizer
from sage.serving.stops import Stops

__all__ = ["Generation", "Outcome", "Reason"]

Reason = Literal["stop", "length"]


class Outcome(NamedTuple):
    """What a step did for one answer."""

    generation: "Generation"
    #: what can be read by now that could not before; maybe nothing
    text: str
    #: why the answer ends with it; `None` if it goes on
    reason: Reason | None


class Generation:
    """One answer.

    Args:
        prompt: the tokens before it, one at least.
        tokenizer: makes text of tokens.
        ends: the tokens with which a model ends.
        max_tokens: how many tokens it has at most.
        sampling: how they are chosen.
        stop: texts that end it, and are not part of it.

    Attributes:
        made: how many tokens were made, that which ends it included.
        last: the token that was made last.
        most: how many tokens the prompt and the answer have together at most.
    """

    def __init__(
        self,
        prompt: list[int],
        tokenizer: Any,
        ends: Collection[int],
        *,
        max_tokens: int,
        sampling: Sampling,
        stop: tuple[str, ...] = (),
    ) -> None:
        self.prompt = prompt
        self.sampler = Sampler(sampling, prompt)
        self.made = 0
        self.last = prompt[-1]
        self.most = len(prompt) + max_tokens
        self._ends = ends
        self._max_tokens = max_tokens
        self._detokenizer = Detokenizer(tokenizer, prompt)
        self._stops = Stops(stop)

    def take(self, token: int) -> Outcome:
        """Take the next token."""
        self.made += 1
        self.last = token
        if token in self._ends:
            return self._ended("", "stop")
        text = self._stops.feed(self._detokenizer.feed(token))
        if self._stops.found:
            return Outcome(self, text, "stop")
        if self.made >= self._max_tokens:
            return self._ended(text, "length")
        return Outcome(self, text, None)

    def _ended(self, text: str, reason: Reason) -> Outcome:
        text += self._stops.feed(self._detokenizer.flush())
        if self._stops.found:
            return Outcome(self, text, "stop")
        return Outcome(self, text + self._stops.flush(), reason)
