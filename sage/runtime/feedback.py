"""How a feedback loop ends: by itself, when nothing is left inside.

A loop never gets an end from outside, for its own edge is one of its inputs. So each of its heads (where records come
back in) sends a *probe* around. A task holds a probe until every other input has ended or has delivered one too, and
its asynchronous work is done; then it passes it on behind all that it has emitted. When the probes are back at their
heads and no record has passed a head in between, nothing can be inside: the heads send the end of stream. Otherwise
another round follows. A probe is held while there is work, so nothing turns idly.

(Termination detection in rounds as by Mattern, "Algorithms for distributed termination detection", 1987.)
"""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["LoopHead", "LoopWatch", "Probe"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks whether the loop is empty; travels in order with the records."""

    loop: int
    round: int


class LoopHead(Protocol):
    """A task where records come back into a loop."""

    def send_probe(self, probe: Probe) -> None:
        """Send a probe around, soon, from the task itself."""
        ...

    def end_loop(self) -> None:
        """Send the end of stream, soon, from the task itself."""
        ...


class LoopWatch:
    """Decides when one loop has ended. It has a head for each feedback that leads into it.

    Args:
        loop: its number.
        heads: how many will `join`.
    """

    def __init__(self, loop: int, heads: int) -> None:
        self._loop = loop
        self._expected = heads
        self._heads: list[LoopHead] = []
        self._round = 0
        # Heads whose probe is under way in this round, and whether a record has passed a head since it was sent.
        self._awaited: set[int] = set()
        self._moved = False

    def join(self, head: LoopHead) -> None:
        """A head is ready; the last one starts the first round."""
        self._heads.append(head)
        if len(self._heads) == self._expected:
            self._start()

    def returned(self, head: LoopHead, moved: bool) -> None:
        """A head has its probe back; `moved` tells whether records have passed it meanwhile."""
        self._awaited.discard(id(head))
        self._moved |= moved
        self._judge()

    def leave(self, head: LoopHead) -> None:
        """A head has ended for another reason (nobody reads the loop any more): the others go on without it."""
        self._heads.remove(head)
        self._expected -= 1
        if id(head) in self._awaited:
            self.returned(head, moved=False)

    def _start(self) -> None:
        self._round += 1
        self._moved = False
        self._awaited = {id(head) for head in self._heads}
        for head in self._heads:
            head.send_probe(Probe(self._loop, self._round))

    def _judge(self) -> None:
        if self._awaited or not self._heads:
            return
        if self._moved:
            self._start()
        else:
            for head in self._heads:
                head.end_loop()
