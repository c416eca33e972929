"""Two processes, one on each core where there are two, and what they play. Nothing on it can hang for long."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from types import TracebackType
from typing import Any, Self

from benchmarks.transports.worker import DEADLINE_MISSED, Figures, Part, Performance, Port, work

__all__ = ["Played", "Stage", "StageFailed", "Way", "clock"]

#: One for all processes of a machine, in seconds.
clock: Callable[[], float] = time.perf_counter

_SPAWN = get_context("spawn")
#: What a process that is past its deadline has for saying where it stands, and one that was told to end for ending.
_GRACE_SECONDS = 5.0


class StageFailed(Exception):
    """A part failed, took too long, or its process died; the message says which, and why."""


@dataclass(frozen=True)
class Way:
    """One way of doing the work.

    Args:
        name: how tables call it.
        near: the part that takes, or asks.
        far: the part that gives, or answers; `None` if one process does it all.
        amount: how many records, or calls, it is.
    """

    name: str
    near: Part
    far: Part | None
    amount: int


@dataclass(frozen=True)
class Played:
    """What the parts of one way have found in one run."""

    near: Figures
    far: Figures


class _Actor:
    """A process, and the line to it."""

    def __init__(self, name: str, port: Port, core: int | None) -> None:
        self.name = name
        self.orders, theirs = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(target=work, args=(theirs, port, core), name=name, daemon=False)
        self.process.start()
        theirs.close()

    def finish(self, *, kill: bool) -> None:
        """End the process, which has a while to do it by itself, or none."""
        if not kill:
            try:
                self.orders.send(None)
            except OSError:  # it has gone already
                kill = True
        self.process.join(0 if kill else _GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.orders.close()


class Stage:
    """Plays ways, all in the same two processes, which are made when they are first needed.

    A failure ends both: the next way starts with new ones.

    Args:
        queue_size: how many items the standard library's queues between them hold.
        deadline: how long one run of a way may take, in seconds.
        pinned: keep each process on a core of its own; otherwise they, and what they start, go where they are put.
    """

    def __init__(self, *, queue_size: int = 1_024, deadline: float = 60.0, pinned: bool = True) -> None:
        self._queue_size = queue_size
        self._deadline = deadline
        self._pinned = pinned
        self._actors: list[_Actor] = []
        # Kept, as the semaphores in them are gone with the object that made them.
        self._queues: tuple[Queue[Any], ...] = ()

    def play(self, way: Way) -> Played:
        """Run a way once.

        Raises:
            StageFailed: it did not come to its end.
        """
        if not self._actors:
            self._raise_curtain()
        near, far = self._actors
        parts = {near: way.near} if way.far is None else {near: way.near, far: way.far}
        for actor, part in parts.items():
            actor.orders.send(Performance(part, self._deadline))
        try:
            found = self._await_all(list(parts))
        except BaseException as error:
            self._drop_curtain(kill=True)
            if isinstance(error, StageFailed):
                raise StageFailed(f"{way.name}: {error}") from None
            raise
        return Played(found[near], found.get(far, {}))

    def _await_all(self, actors: list[_Actor]) -> dict[_Actor, Figures]:
        found: dict[_Actor, Figures] = {}
        end = time.monotonic() + self._deadline + _GRACE_SECONDS
        waiting = {actor.orders: actor for actor in actors}
        while waiting:
            ready = connection.wait(waiting, max(0.0, end - time.monotonic()))
            if not ready:
                names = ", ".join(actor.name for actor in waiting.values())
                raise StageFailed(f"the process {names} did not end within {self._deadline:g} s and was killed")
            for orders in ready:
                actor = waiting.pop(orders)  # type: ignore[call-overload]  # `wait` gives back what it was given
                found[actor] = self._figures_of(actor)
        return found

    def _figures_of(self, actor: _Actor) -> Figures:
        try:
            figures, problem = actor.orders.recv()
        except (EOFError, ConnectionResetError):
            actor.process.join(_GRACE_SECONDS)
            raise StageFailed(f"the process {actor.name} {self._how_ended(actor.process.exitcode)}") from None
        if figures is None:
            raise StageFailed(f"the process {actor.name} failed: {problem}")
        result: Figures = figures
        return result

    def _how_ended(self, exit_code: int | None) -> str:
        if exit_code == DEADLINE_MISSED:
            return f"took longer than {self._deadline:g} s; where it stood is shown above"
        if exit_code is not None and exit_code < 0:
            return f"was ended by {signal.Signals(-exit_code).name}"
        return f"ended with {exit_code}"

    def _raise_curtain(self) -> None:
        lines = _SPAWN.Pipe()
        there, back = self._queues = _SPAWN.Queue(self._queue_size), _SPAWN.Queue(self._queue_size)
        cores = _cores() if self._pinned else (None, None)
        for name, line, core in zip(("near", "far"), lines, cores, strict=True):
            self._actors.append(_Actor(name, Port(there, back, line), core))
        for line in lines:
            line.close()

    def _drop_curtain(self, *, kill: bool) -> None:
        actors, self._actors = self._actors, []
        for actor in actors:
            actor.finish(kill=kill)
        self._queues = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop_curtain(kill=kind is not None)


def _cores() -> tuple[int | None, int | None]:
    """The first and the last of those that this process may use: the same one if there are no two."""
    if sys.platform != "linux":
        return None, None
    usable = os.sched_getaffinity(0)
    return min(usable), max(usable)
