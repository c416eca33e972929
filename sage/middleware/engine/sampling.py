"""Which token comes next: the likeliest, or one that is drawn."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Sampler", "Sampling", "next_tokens"]

# Below it the likeliest token has all the probability that a float can tell apart.
_GREEDY = 1e-3


@dataclass(frozen=True)
class Sampling:
    """How the tokens of one sequence are chosen.

    Attributes:
        temperature: 0 for the likeliest; the higher, the more even.
        top_p: draw among the likeliest tokens that together have this probability.
        top_k: draw among so many of the likeliest; below 1 for all. Of these, `top_p` counts.
        presence_penalty: taken from the logit of each token that the answer has already.
        frequency_penalty: the same, as often as it has it.
        repetition_penalty: what the logit of each token of the prompt and of the answer is divided by, or multiplied
            with where it is negative (Keskar et al., 2019).
        seed: what to draw by; `None` for a new one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature < _GREEDY

    @property
    def penalises(self) -> bool:
        """Whether it matters which tokens were there before."""
        return bool(self.presence_penalty or self.frequency_penalty or self.repetition_penalty != 1)


class Sampler:
    """Chooses the tokens of one sequence, by random numbers of its own: who else is in the batch makes no difference.

    Args:
        sampling: how.
        prompt: the tokens before the first.
    """

    def __init__(self, sampling: Sampling, prompt: Sequence[int] = ()) -> None:
        self.sampling = sampling
        self._generator: torch.Generator | None = None
        self._made = Counter[int]()
        self._read = frozenset(prompt) if sampling.repetition_penalty != 1 else frozenset[int]()

    @property
    def plain(self) -> bool:
        """Whether it takes whatever is likeliest."""
        return self.sampling.greedy and not self.sampling.penalises

    def next(self, logits: "torch.Tensor") -> int:
        """The next token.

        Args:
            logits: [vocabulary], of floats, on the CPU; they may be changed.
        """
        if not self.sampling.penalises:
            return self.draw(logits)
        self._penalise(logits)
        token = int(logits.argmax()) if self.sampling.greedy else self.draw(logits)
        self._made[token] += 1
        return token

    def _penalise(self, logits: "torch.Tensor") -> None:
        import torch

        sampling = self.sampling
        if sampling.repetition_penalty != 1:
            seen = torch.tensor(sorted(self._read.union(self._made)))
            before = logits[seen]
            by = sampling.repetition_penalty
            logits[seen] = torch.where(before > 0, before / by, before * by)
        if self._made:
            made = torch.tensor(list(self._made))
            times = torch.tensor(list(self._made.values()))
            logits[made] -= sampling.presence_penalty + sampling.frequency_penalty * times

    def draw(self, logits: "torch.Tensor") -> int:
        """A token by its probability.

        Args:
            logits: [vocabulary], of floats, on the CPU.
        """
        import torch

        scaled = (logits - logits.max()) / self.sampling.temperature
        probabilities = torch.softmax(scaled.double(), dim=-1)
        top_p, top_k = self.sampling.top_p, self.sampling.top_k
        if top_p < 1 or top_k > 0:
            probabilities, tokens = torch.sort(probabilities, descending=True, stable=True)
            if top_k > 0:
                probabilities = probabilities[:top_k] / probabilities[:top_k].sum()
            # A token belongs to the nucleus as long as those before it have not reached top_p (Holtzman et al., 2020).
            before = probabilities.cumsum(-1) - probabilities
            probabilities = torch.where(before < top_p, probabilities, 0.0)
            probabilities[0] = torch.clamp(probabilities[0], min=torch.finfo(torch.float64).tiny)
            return int(tokens[self._place(probabilities)])
        return self._place(probabilities)

    def _place(self, probabilities: "torch.Tensor") -> int:
        """The place at which the running sum passes a random number."""
        import torch

        if self._generator is None:
            self._generator = torch.Generator()
            if self.sampling.seed is None:
                self._generator.seed()
            else:
                self._generator.manual_seed(self.sampling.seed)
        sums = probabilities.cumsum(-1)
        mark = torch.rand((), generator=self._generator, dtype=torch.float64) * sums[-1]
        place = int(torch.searchsorted(sums, mark, right=True))
        return min(place, int(probabilities.nonzero()[-1]))


def next_tokens(logits: "torch.Tensor", samplers: Sequence[Sampler]) -> list[int]:
    """The next token of each sequence.

    Args:
        logits: [sequences, vocabulary].
        samplers: one for each sequence.
    """
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    choosing = [row for row, sampler in enumerate(samplers) if not sampler.plain]
    if choosing:
        chosen = logits[choosing].float().cpu()
        for row, row_logits in zip(choosing, chosen, strict=True):
            tokens[row] = samplers[row].next(row_logits)
    return tokens
