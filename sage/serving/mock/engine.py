"""A synthetic engine: how a model server behaves in time, without a model.

It works in steps. In each step every request that runs gets one token::

    start ── step + per_sequence × requests in it + per_prompt_token × tokens of the prompts that are new ── end
                                                                                                             │
    the next step starts there, if anything is to be done                      tokens of the step are due ───┘

The schedule is absolute: a step starts where the one before it ended, not when a timer got round to it, and a request
takes part from the first step that starts when it is there. So what is measured at a client less what was due is the
lateness of all that is in between, and nothing adds up.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sage.clock import Clock, Timer
from sage.errors import GraphError, Overloaded

__all__ = ["EngineOptions", "MockEngine", "Run", "RunState", "Token"]

_NEVER = float("inf")


@dataclass(frozen=True)
class EngineOptions:
    """How large the engine is, and how quick.

    Args:
        max_num_seqs: how many requests get tokens in a step, at most.
        max_waiting: how many requests wait for a place, at most; more are refused.
        kv_tokens: how many tokens, of prompts and answers, all running requests may hold together.
        step: seconds that every step takes.
        per_sequence: seconds that each request in a step adds to it.
        per_prompt_token: seconds that each token of a new request's prompt adds to its first step.

    Raises:
        GraphError: a value cannot be.
    """

    max_num_seqs: int = 16
    max_waiting: int = 256
    kv_tokens: int = 1_000_000
    step: float = 0.02
    per_sequence: float = 0.0
    per_prompt_token: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("max_num_seqs", 1), ("max_waiting", 0), ("kv_tokens", 1)):
            if getattr(self, name) < least:
                raise GraphError(f"{name}={getattr(self, name)!r}: write a whole number, {least} or more")
        for name in ("step", "per_sequence", "per_prompt_token"):
            if not 0 <= getattr(self, name) < _NEVER:
                raise GraphError(f"{name}={getattr(self, name)!r}: write seconds, 0 or more")
        if self.step + self.per_sequence <= 0:
            raise GraphError("step=0: a step takes time; write step=0.001, say")


class Token(NamedTuple):
    """One token of one request."""

    #: which of the request's tokens, from 0
    number: int
    #: when it is there by the schedule, in seconds of the engine's clock
    due: float


class RunState(Enum):
    """Where a request is."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class Run:
    """One request inside of the engine, from `MockEngine.submit` on.

    Attributes:
        state: where it is.
        made: how many of its tokens were made.
    """

    def __init__(
        self,
        prompt_tokens: int,
        tokens: int,
        pauses: Mapping[int, float],
        deliver: Callable[[Token], None],
        arrived: float,
    ) -> None:
        self.state = RunState.WAITING
        self.made = 0
        self.prompt_tokens = prompt_tokens
        self.tokens = tokens
        self.arrived = arrived
        self.deliver = deliver
        self.pauses = pauses
        #: It takes part in no step that starts earlier.
        self.not_before = arrived

    @property
    def held(self) -> int:
        """The tokens that are set aside for it."""
        return self.prompt_tokens + self.tokens

    def pause(self, since: float) -> None:
        """Stay away from the steps for as long as is said to pass before the next token."""
        self.not_before = since + self.pauses.get(self.made, 0.0)


class _Step(NamedTuple):
    end: float
    runs: list[Run]


class MockEngine:
    """Makes tokens by a schedule.

    Args:
        clock: tells the time, and wakes the engine.
        options: how large and how quick it is.

    Attributes:
        started: how many requests got a place so far.
        finished: how many got all their tokens.
        cancelled: how many were given up, while they waited or ran.
        refused: how many were not taken.
        tokens: how many tokens were made.
    """

    def __init__(self, clock: Clock, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self.started = self.finished = self.cancelled = self.refused = self.tokens = 0
        self._clock = clock
        self._waiting: deque[Run] = deque()
        self._running: list[Run] = []
        self._held = 0
        self._step: _Step | None = None
        # No step starts earlier.
        self._free_from = -_NEVER
        self._timer: Timer | None = None

    @property
    def running(self) -> int:
        """How many requests have a place now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many requests wait for a place now."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many tokens of the budget are set aside now."""
        return self._held

    def submit(
        self,
        prompt_tokens: int,
        tokens: int,
        deliver: Callable[[Token], None],
        pauses: Mapping[int, float] | None = None,
    ) -> Run:
        """Ask for `tokens` tokens, at least 1.

        Args:
            prompt_tokens: how long the prompt is.
            tokens: how many to make.
            deliver: called with each when it is made; it must not call the engine.
            pauses: seconds to wait before a token, by its index, without a token of this request in any step; `inf` for
                ever.

        Raises:
            Overloaded: too many wait already.
            ValueError: it needs more tokens than the engine can hold at all.
        """
        self._turn()
        run = Run(prompt_tokens, tokens, pauses or {}, deliver, self._clock.now())
        self._admit(run)
        self._waiting.append(run)
        self._turn()
        return run

    def cancel(self, run: Run) -> None:
        """Give a request up: its place is free at once. Harmless when it has ended."""
        self._turn()
        if run.state is RunState.WAITING:
            self._waiting.remove(run)
        elif run.state is RunState.RUNNING:
            self._release(run)
        else:
            return
        run.state = RunState.CANCELLED
        self.cancelled += 1
        if self._step is None:
            # Whoever gets the place has it from now on, not from when the engine fell idle.
            self._free_from = max(self._free_from, self._clock.now())
        self._turn()

    def close(self) -> None:
        """Make no more tokens."""
        for run in (*self._waiting, *self._running):
            self.cancel(run)
        self._set_timer(_NEVER)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _admit(self, run: Run) -> None:
        options = self.options
        if run.held > options.kv_tokens:
            self.refused += 1
            raise ValueError(
                f"{run.prompt_tokens} tokens of prompt and {run.tokens} to make are more than "
                f"the {options.kv_tokens} that fit (kv_tokens)"
            )
        if len(self._waiting) >= options.max_waiting + options.max_num_seqs - len(self._running):
            self.refused += 1
            raise Overloaded(f"{len(self._waiting)} requests wait already (max_waiting={options.max_waiting})")

    def _turn(self) -> None:
        """Do all that is due, and have the clock call again for what is next."""
        now = self._clock.now()
        while True:
            if self._step is None:
                start = self._next_start()
                if start > now:
                    self._set_timer(start)
                    return
                self._begin(start)
            elif self._step.end > now:
                self._set_timer(self._step.end)
                return
            else:
                self._finish(self._step)

    def _next_start(self) -> float:
        earliest = min((run.not_before for run in self._running), default=_NEVER)
        if self._waiting and self._fits(self._waiting[0]):
            earliest = min(earliest, self._waiting[0].arrived)
        return max(self._free_from, earliest)

    def _fits(self, run: Run) -> bool:
        return len(self._running) < self.options.max_num_seqs and self._held + run.held <= self.options.kv_tokens

    def _begin(self, start: float) -> None:
        """Let in who is there and fits, in the order of arrival, and start a step unless everybody pauses."""
        while self._waiting and self._waiting[0].arrived <= start and self._fits(self._waiting[0]):
            run = self._waiting.popleft()
            run.state = RunState.RUNNING
            run.pause(start)
            self._running.append(run)
            self._held += run.held
            self.started += 1
        runs = [run for run in self._running if run.not_before <= start]
        if runs:
            options = self.options
            prompts = sum(run.prompt_tokens for run in runs if not run.made)
            length = options.step + options.per_sequence * len(runs) + options.per_prompt_token * prompts
            self._step = _Step(start + length, runs)

    def _finish(self, step: _Step) -> None:
        self._step = None
        self._free_from = step.end
        for run in step.runs:
            if run.state is not RunState.RUNNING:
                continue  # it was cancelled meanwhile
            token = Token(run.made, step.end)
            run.made += 1
            self.tokens += 1
            if run.made == run.tokens:
                self._release(run)
                run.state = RunState.FINISHED
                self.finished += 1
            else:
                run.pause(step.end)
            run.deliver(token)

    def _release(self, run: Run) -> None:
        self._running.remove(run)
        self._held -= run.held

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when == _NEVER else self._clock.call_at(when, self._turn)
