"""Between the event loop, in which answers are asked for, and the thread in which a model makes them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple, Unpack

from sage.errors import Overloaded, ServiceUnavailable
from sage.middleware.engine.decoder import Decoder
from sage.middleware.engine.generation import Generation, Outcome, Reason

__all__ = ["ContinuousBatching", "Place"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Place:
    """The seat of one request, and the text of its answer as it comes.

    Attributes:
        generation: the answer; `None` until it was begun.
        reason: why it has ended; `None` while it goes on.
    """

    def __init__(self) -> None:
        self.generation: Generation | None = None
        self.reason: Reason | None = None
        self._text: list[str] = []
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None

    @property
    def made(self) -> int:
        """How many tokens the answer has by now."""
        return self.generation.made if self.generation is not None else 0

    def put(self, outcome: Outcome) -> None:
        """Take what a step has made."""
        self.reason = outcome.reason
        if outcome.text:
            self._text.append(outcome.text)
        if outcome.text or outcome.reason:
            self._wake_up()

    def fail(self, error: Exception) -> None:
        """Have the answer end with an error."""
        self._error = error
        self._wake_up()

    async def text(self) -> str:
        """All that has come since the last time, at least a letter; the empty text at the end.

        Cancel safety: when cancelled, no text is lost.

        Raises:
            ServiceUnavailable: the model failed, or was stopped.
        """
        while not self._text:
            if self._error is not None:
                raise self._error
            if self.reason is not None:
                return ""
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        text, self._text = "".join(self._text), []
        return text

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class ContinuousBatching:
    """Lets requests in, has their answers made, and gives each its text.

    Args:
        name: whose it is, for errors.
        max_num_seqs: how many answers are made at the same time.
        max_waiting: how many requests wait for that; more are refused.
        kv_tokens: of how many tokens keys and values are held; `None` for no bound. No answer may take more by itself.
    """

    def __init__(self, name: str, *, max_num_seqs: int, max_waiting: int, kv_tokens: int | None = None) -> None:
        self._name = name
        self._max_num_seqs = max_num_seqs
        self._max_waiting = max_waiting
        self._kv_tokens = kv_tokens
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"model {name}")
        self._places = 0
        self._waiting: deque[Place] = deque()
        self._running: dict[Generation, Place] = {}
        self._leaving: set[Generation] = set()
        self._work = asyncio.Event()
        self._closing = False

    @property
    def running(self) -> int:
        """How many answers are being made."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """How many requests are inside, and their answer has not begun."""
        return self._places - len(self._running)

    async def in_thread(self, function: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        """Call a function where the model runs, between two of its steps.

        Cancel safety: when cancelled, the function may run all the same.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for the length of a block; when it is left, nothing more is made for it.

        Raises:
            Overloaded: there is none.
            ServiceUnavailable: the model has been stopped.
        """
        if self._closing:
            raise self._stopped()
        if self._places >= self._max_num_seqs + self._max_waiting:
            raise Overloaded(
                f"{self._name}: {self._max_num_seqs} answers are being made (max_num_seqs) "
                f"and {self._max_waiting} requests wait already (max_waiting)"
            )
        self._places += 1
        place = Place()
        try:
            yield place
        finally:
            self._places -= 1
            self._leave(place)

    def begin(self, place: Place, generation: Generation) -> None:
        """Have an answer made as soon as there is room."""
        place.generation = generation
        if self._closing:
            place.fail(self._stopped())
            return
        self._waiting.append(place)
        self._work.set()

    async def run(self, decoder: Decoder) -> None:
        """Do steps while there is something to do, until `close`. When it ends, nobody is left waiting.

        Cancel safety: when cancelled, a step that has begun goes on in its thread, and nobody gets its tokens.
        """
        try:
            while await self._work.wait() and not self._closing:
                await self._step(decoder)
        finally:
            self.close()
            for place in (*self._waiting, *self._running.values()):
                place.fail(self._stopped())
            self._waiting.clear()

    def close(self) -> None:
        """Let nobody in, and have `run` end when the step that has begun has ended."""
        self._closing = True
        self._work.set()

    async def aclose(self) -> None:
        """The same, and end the thread.

        Cancel safety: when cancelled, the thread ends by itself.
        """
        self.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def _step(self, decoder: Decoder) -> None:
        begun = self._begun()
        self._running.update(begun)
        leaving, self._leaving = self._leaving, set()
        try:
            outcomes = await self.in_thread(decoder.step, list(begun), leaving)
        except Exception as error:
            decoder.clear()
            self._fail(error)
        else:
            self._deliver(outcomes)
        if not (self._running or self._waiting or self._leaving or self._closing):
            self._work.clear()

    def _begun(self) -> dict[Generation, Place]:
        """Those for whom there is room now. Nobody overtakes: a long one would never get in."""
        sizes = [generation.most for generation in self._running]
        begun: dict[Generation, Place] = {}
        while self._waiting and len(sizes) < self._max_num_seqs:
            place = self._waiting[0]
            assert place.generation is not None, "it waits since `begin`"
            sizes.append(place.generation.most)
            # All rows are as long as the longest.
            if self._kv_tokens is not None and len(sizes) * max(sizes) > self._kv_tokens:
                break
            begun[place.generation] = self._waiting.popleft()
        return begun

    def _leave(self, place: Place) -> None:
        if place in self._waiting:
            self._waiting.remove(place)
        if place.generation is not None and self._running.pop(place.generation, None) is not None:
            self._leaving.add(place.generation)
            self._work.set()

    def _deliver(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            place = self._running.get(outcome.generation)
            if place is None:
                continue  # whoever asked has gone meanwhile
            if outcome.reason:
                del self._running[outcome.generation]
            place.put(outcome)

    def _fail(self, error: Exception) -> None:
        """Tell everybody whose answer was lost with the step that failed."""
        places, self._running = list(self._running.values()), {}
        for place in places:
            failure = ServiceUnavailable(f"{self._name}: a step of the model failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            place.fail(failure)

    def _stopped(self) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self._name} has been stopped")
