"""The settings of an environment, checked."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from sage.errors import GraphError, NotAvailable
from sage.operators.numbers import is_count, is_number

if TYPE_CHECKING:
    from sage.admission import Admission

__all__ = ["Config"]

_ENGINES = ("local", "processes", "ray", "auto")
_TRANSPORTS = ("memory", "shm", "zmq", "ray")


@dataclass(frozen=True)
class Config:
    """How a program runs.

    Args:
        engine: what runs it: ``"local"`` (tasks of one event loop), or ``"auto"`` for the best there is; the
            environment variable ``SAGE_ENGINE`` sets the default.
        transport: what its channels are made of: ``"memory"`` (by reference), or, encoded, ``"shm"`` (shared memory),
            ``"zmq"`` (ZeroMQ) or ``"ray"`` (an actor holds each channel).
        batch_size: how many records a batch holds at most, at least 1. Nobody waits to fill one.
        channel_capacity: how many records a channel holds, at least 1. It is the bound on what lies between two
            operators.
        budget: seconds that an operator works before it gives way to others.
        call_window: how many records of an answer may wait to be read before those who make more pause, at least 1.
        admission: how many requests are let in; `None` for all.
    """

    engine: str = ""
    transport: str = "memory"
    batch_size: int = 2048
    channel_capacity: int = 4096
    budget: float = 0.002
    call_window: int = 256
    admission: "Admission | None" = None

    def __post_init__(self) -> None:
        asked = "engine"
        if not self.engine and (default := os.environ.get("SAGE_ENGINE")):
            asked = "SAGE_ENGINE"
            object.__setattr__(self, "engine", default)
        elif not self.engine:
            object.__setattr__(self, "engine", "local")
        _one_of(asked, self.engine, _ENGINES, there=("local", "auto"))
        _one_of("transport", self.transport, _TRANSPORTS, there=_TRANSPORTS)
        if self.transport == "ray" and find_spec("ray") is None:
            raise NotAvailable("transport='ray' needs Ray: pip install 'sage-streams[ray]'")
        _at_least_one("batch_size", self.batch_size)
        _at_least_one("channel_capacity", self.channel_capacity)
        _at_least_one("call_window", self.call_window)
        if self.admission is not None:
            _check_admission(self.admission)
        if not is_number(self.budget, beyond=True):
            raise GraphError(
                f"budget={self.budget!r}: write the seconds an operator may work before it gives way, above 0"
            )

    @property
    def records_per_batch(self) -> int:
        """The batch size in force: a batch larger than a channel would overshoot the bound that the user asked for."""
        return min(self.batch_size, self.channel_capacity)


def _check_admission(admission: object) -> None:
    from sage.admission import Admission  # loaded for programs that bound their requests: `import sage` stays light

    if not isinstance(admission, Admission):
        raise GraphError(f"admission={admission!r}: write sage.Admission(max_requests=...)")


def _at_least_one(name: str, value: object) -> None:
    if not is_count(value):
        raise GraphError(f"{name}={value!r}: write a number of records, 1 or more")


def _one_of(name: str, value: str, known: tuple[str, ...], there: tuple[str, ...]) -> None:
    if value not in known:
        raise GraphError(f"{name}={value!r} is not known; write one of {', '.join(map(repr, known))}")
    if value not in there:
        raise NotAvailable(f"{name}={value!r} is not in this version; write {' or '.join(map(repr, there))}")
