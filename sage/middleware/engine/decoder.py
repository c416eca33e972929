"""Continuous batching: answers join and leave between two steps of a model.

::

    step ─┬─ answers that nobody wants any more leave
          ├─ a token for each row
          ├─ some tokens of new prompts are read; a prompt that is done gets its first token and a row of its own
          └─ answers that have ended leave

A long prompt is read in parts, so that the others get their tokens meanwhile. Everything here runs in one thread.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from typing import Any

from sage.middleware.engine.cache import BatchCache
from sage.middleware.engine.generation import Generation, Outcome
from sage.middleware.engine.loading import LoadedModel
from sage.middleware.engine.sampling import next_tokens

__all__ = ["Decoder"]


class _Prompt:
    """A prompt that is being read, in a cache of its own."""

    def __init__(self, generation: Generation) -> None:
        from transformers import DynamicCache

        self.generation = generation
        self.cache = DynamicCache()
        self.read = 0

    @property
    def left(self) -> int:
        return len(self.generation.prompt) - self.read

    def taken(self, count: int) -> tuple[list[int], dict[str, Any]]:
        """The next tokens, and what a model takes with them."""
        import torch

        first, self.read = self.read, self.read + count
        inputs = {
            "past_key_values": self.cache,
            "position_ids": torch.arange(first, self.read)[None],
            "attention_mask": torch.ones((1, self.read), dtype=torch.long),
        }
        return self.generation.prompt[first : self.read], inputs


class Decoder:
    """The answers that are being made by a model.

    Args:
        loaded: the model.
        prefill_tokens: how many tokens of new prompts are read in a step at most.

    Attributes:
        batches: how often a step made tokens for so many rows.
    """

    def __init__(self, loaded: LoadedModel, *, prefill_tokens: int) -> None:
        self.batches: Counter[int] = Counter()
        self._loaded = loaded
        self._prefill_tokens = prefill_tokens
        self._prompts: deque[_Prompt] = deque()
        self._rows: list[Generation] = []
        self._cache = BatchCache()

    def step(self, joining: Iterable[Generation], leaving: Collection[Generation]) -> list[Outcome]:
        """Do a step.

        Args:
            joining: answers to begin with.
            leaving: answers that nobody wants any more.

        Returns:
            What became of each answer for which there is a token; those that ended have left.
        """
        import torch

        with torch.inference_mode():
            self._prompts = deque(prompt for prompt in self._prompts if prompt.generation not in leaving)
            self._prompts.extend(map(_Prompt, joining))
            self._leave(leaving)
            outcomes = [*self._decode(), *self._prefill()]
            self._leave({outcome.generation for outcome in outcomes if outcome.reason})
            return outcomes

    def clear(self) -> None:
        """Forget every answer."""
        self._prompts.clear()
        self._rows = []
        self._cache = BatchCache()

    def _leave(self, leaving: Collection[Generation]) -> None:
        kept = [row for row, generation in enumerate(self._rows) if generation not in leaving]
        self._cache.keep(kept)
        self._rows = [self._rows[row] for row in kept]

    def _decode(self) -> list[Outcome]:
        if not self._rows:
            return []
        self.batches[len(self._rows)] += 1
        logits = self._loaded.logits([[row.last] for row in self._rows], self._cache.grown())
        tokens = next_tokens(logits, [row.sampler for row in self._rows])
        return [row.take(token) for row, token in zip(self._rows, tokens, strict=True)]

    def _prefill(self) -> list[Outcome]:
        """Read of the new prompts, in order, what may be read in a step; those that are done get their first token."""
        budget, done, outcomes = self._prefill_tokens, list[_Prompt](), list[Outcome]()
        while self._prompts and budget:
            prompt = self._prompts[0]
            count = min(budget, prompt.left)
            budget -= count
            tokens, inputs = prompt.taken(count)
            logits = self._loaded.logits([tokens], inputs)
            if not prompt.left:
                self._prompts.popleft()
                done.append(prompt)
                (token,) = next_tokens(logits, [prompt.generation.sampler])
                outcomes.append(prompt.generation.take(token))
        self._cache.join([prompt.cache for prompt in done], [prompt.read for prompt in done])
        self._rows += [prompt.generation for prompt in done]
        return outcomes
