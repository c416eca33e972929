"""What runs in each of the two processes of a stage: it plays parts, one after the other, and reports."""

import faulthandler
import gc
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import Queue
from typing import Any

__all__ = ["DEADLINE_MISSED", "Figures", "Part", "Performance", "Port", "work"]

#: With which code a process ends that has missed its deadline; `faulthandler` has it so.
DEADLINE_MISSED = 1

#: What a part has found, by name: times are of the clock that all processes of a machine share, in seconds.
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """What a part is given to find the other one.

    Args:
        there: queues of the standard library that both have: from the far to the near process,
        back: and the other way.
        line: to the other process, for what is not measured: addresses, and that one is ready.
    """

    there: "Queue[Any]"
    back: "Queue[Any]"
    line: "Connection[Any, Any]"

    def tell(self, what: Any) -> None:
        """Say something to the other part."""
        self.line.send(what)

    def hear(self) -> Any:
        """Wait for what the other part says."""
        return self.line.recv()


#: What one process does. It is found by its name in the other process: a function of a module, or a `partial` of one.
Part = Callable[[Port], Figures]


@dataclass(frozen=True)
class Performance:
    """What a worker is asked to do.

    Args:
        part: what to play.
        deadline: in seconds; a process that takes longer shows where it stands, and ends.
    """

    part: Part
    deadline: float


def work(orders: "Connection[Any, Any]", port: Port, core: int | None) -> None:
    """Play what is asked for until nothing more is; also if whoever asks has gone."""
    if core is not None and sys.platform == "linux":
        os.sched_setaffinity(0, {core})
    while True:
        try:
            performance: Performance | None = orders.recv()
        except EOFError:
            return
        if performance is None:
            return
        orders.send(_play(performance, port))


def _play(performance: Performance, port: Port) -> tuple[Figures | None, str]:
    """The figures, or what went wrong; the whole story of that goes to where errors are shown."""
    gc.collect()
    faulthandler.dump_traceback_later(performance.deadline, exit=True)
    try:
        return performance.part(port), ""
    except Exception as error:
        traceback.print_exc()
        return None, "".join(traceback.format_exception_only(error)).strip()
    finally:
        faulthandler.cancel_dump_traceback_later()
