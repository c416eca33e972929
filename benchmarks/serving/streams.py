"""The work of `serving.tokens`: many requests, each answered with tokens, and what is found out about it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

from benchmarks.measure import expect, percentile

__all__ = ["Figures", "OpenAnswer", "Opens", "Streams", "all_words", "exclaim", "measured", "upper", "words"]

_WORDS = tuple(f" word {number}" for number in range(100))

#: Asks for an answer of so many tokens, and gives them as they come.
OpenAnswer = Callable[[int], AsyncIterator[str]]
#: Starts what answers, for the time of a block.
Opens = Callable[[], AbstractAsyncContextManager[OpenAnswer]]


async def words(count: int) -> AsyncIterator[str]:
    """The first stage: an engine that takes no time.

    Cancel safety: it never waits.
    """
    for word in all_words(count):
        yield word


def all_words(count: int) -> Iterator[str]:
    """The tokens of one answer."""
    return islice(cycle(_WORDS), count)


def upper(token: str) -> str:
    """The second stage."""
    return token.upper()


def exclaim(token: str) -> str:
    """The third stage."""
    return token + "!"


@dataclass(frozen=True)
class Streams:
    """How much is asked for.

    Args:
        at_once: how many answers are under way at a time; each of so many clients asks again when it has its answer.
        requests: how many there are in all, spread evenly over the clients.
        tokens: of each answer.
    """

    at_once: int
    requests: int = 200
    tokens: int = 100

    @property
    def rounds(self) -> int:
        """How often each client asks, at least once."""
        return max(1, self.requests // self.at_once)

    @property
    def total(self) -> int:
        """How many tokens come in all."""
        return self.at_once * self.rounds * self.tokens


@dataclass(frozen=True)
class Figures:
    """What one run has come to.

    Args:
        per_second: tokens.
        cpu_us: CPU time for each token, of all that runs.
        first_p50_ms, first_p99_ms: from the moment a client asks to its first token, in milliseconds.
    """

    per_second: float
    cpu_us: float
    first_p50_ms: float
    first_p99_ms: float

    @staticmethod
    def median_of(runs: "list[Figures]") -> "Figures":
        """Of each figure the median."""
        return Figures(
            median(run.per_second for run in runs),
            median(run.cpu_us for run in runs),
            median(run.first_p50_ms for run in runs),
            median(run.first_p99_ms for run in runs),
        )


async def measured(streams: Streams, open_answer: OpenAnswer) -> Figures:
    """Ask for all of it, and read every token.

    Cancel safety: what is under way is given up.

    Raises:
        WrongResult: an answer has other tokens.
    """
    right = [exclaim(upper(word)) for word in all_words(streams.tokens)]
    firsts: list[float] = []

    async def client() -> None:
        for _ in range(streams.rounds):
            taken: list[str] = []
            asked = time.perf_counter()
            async for token in open_answer(streams.tokens):
                if not taken:
                    firsts.append(1e3 * (time.perf_counter() - asked))
                taken.append(token)
            expect(taken == right, f"an answer of {len(taken)} tokens, or others than the right {len(right)}")

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(streams.at_once)))
    took, worked = time.perf_counter() - wall, time.process_time() - cpu
    return Figures(streams.total / took, 1e6 * worked / streams.total, percentile(firsts, 50), percentile(firsts, 99))
