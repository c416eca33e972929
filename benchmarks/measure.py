"""Interleaved pairs: floor, subject, floor, subject, ... and what they come to.

On a shared machine the same program takes twice as long a minute later. What slows one of a pair slows the other, so
the ratio within a pair is steadier than either figure, and the median over the pairs is what is reported.
"""

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

__all__ = ["Pair", "Pairs", "Sample", "WrongResult", "expect", "percentile", "run_pairs", "timed"]

T = TypeVar("T")


class WrongResult(Exception):
    """What was measured did not do the work: its result is not the one that is known to be right."""


def expect(condition: bool, what: str) -> None:
    """Check a result.

    Raises:
        WrongResult: the condition does not hold; `what` says which.
    """
    if not condition:
        raise WrongResult(what)


@dataclass(frozen=True)
class Sample:
    """One run: seconds by the clock, and seconds of CPU of the whole process."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Pair:
    """A run of the floor and, right after it, one of the subject."""

    floor: Sample
    subject: Sample

    @property
    def speed(self) -> float:
        """The subject's speed as a part of the floor's: 1 is as fast, 0.5 takes twice as long."""
        return self.floor.wall / self.subject.wall

    @property
    def cost(self) -> float:
        """The subject's CPU time as a multiple of the floor's."""
        return self.subject.cpu / self.floor.cpu


@dataclass(frozen=True)
class Pairs:
    """All pairs of one subject, at least one."""

    pairs: Sequence[Pair]

    @property
    def floors(self) -> list[Sample]:
        """The runs of the floor."""
        return [pair.floor for pair in self.pairs]

    @property
    def subjects(self) -> list[Sample]:
        """The runs of the subject."""
        return [pair.subject for pair in self.pairs]

    @property
    def speeds(self) -> list[float]:
        """Of each pair the `Pair.speed`."""
        return [pair.speed for pair in self.pairs]

    @property
    def speed(self) -> float:
        """The median of `Pair.speed`."""
        return median(self.speeds)

    @property
    def cost(self) -> float:
        """The median of `Pair.cost`."""
        return median(pair.cost for pair in self.pairs)


def timed(run: Callable[[], T]) -> tuple[Sample, T]:
    """Run once, with the garbage of what ran before out of the way."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu), result


def run_pairs(floor: Callable[[], T], subject: Callable[[], T], count: int, check: Callable[[T], None]) -> Pairs:
    """Run floor and subject in turn, `count` times each, after one run of each that is not counted.

    Every result is checked, outside of the time.

    Raises:
        WrongResult: by `check`.
    """

    def checked(run: Callable[[], T]) -> Sample:
        sample, result = timed(run)
        check(result)
        return sample

    pairs = [Pair(checked(floor), checked(subject)) for _ in range(1 + count)]
    return Pairs(pairs[1:])


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least `percent` of them do not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or `percent` is not above 0 and at most 100.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"percentile of {len(values)} values at {percent}: needs a value, and a percent in (0, 100]")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]
