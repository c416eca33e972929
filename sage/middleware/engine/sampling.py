"""Which token comes next: the likeliest, or one that is drawn."""

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
        seed: what to draw by; `None` for a new one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature < _GREEDY


class Sampler:
    """Draws the tokens of one sequence, by random numbers of its own: who else is in the batch makes no difference."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._generator: torch.Generator | None = None

    def draw(self, logits: "torch.Tensor") -> int:
        """A token by its probability.

        Args:
            logits: [vocabulary], of floats, on the CPU.
        """
        import torch

        scaled = (logits - logits.max()) / self.sampling.temperature
        probabilities = torch.softmax(scaled.double(), dim=-1)
        if self.sampling.top_p < 1:
            probabilities, tokens = torch.sort(probabilities, descending=True, stable=True)
            # A token belongs to the nucleus as long as those before it have not reached top_p (Holtzman et al., 2020).
            before = probabilities.cumsum(-1) - probabilities
            probabilities = torch.where(before < self.sampling.top_p, probabilities, 0.0)
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
    drawing = [row for row, sampler in enumerate(samplers) if not sampler.sampling.greedy]
    if drawing:
        drawn = logits[drawing].float().cpu()
        for row, row_logits in zip(drawing, drawn, strict=True):
            tokens[row] = samplers[row].draw(row_logits)
    return tokens
