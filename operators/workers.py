"""The tasks that call a pool's function, one record at a time each.

As many records are at work as there are places. A generator that has made enough for now, for its caller has not read
it, waits without its place: others work meanwhile, and it takes a place again before it goes on. So there may be more
workers than places; those that are too many end when they have nothing to do.

A worker whose calls do not suspend (an async function that does not await) would hold the event loop: all such workers
of a pool together get one budget for each turn of the loop. A generator that does not suspend makes one result in its
first turn, and more as its caller reads: then the first result is early, and many go together when they are wanted.
"""

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from sage.operators.contract import Context
from sage.operators.errors import InvalidOperator
from sage.operators.lanes import Lanes
from sage.operators.policies import ErrorPolicy, Retry
from sage.operators.slots import Slot
from sage.operators.turn import Turn

__all__ = ["Pool", "Workers"]

# How many results a generator may make in a turn of the loop at most, and how many turns it then lets pass: what it has
# made gets to the caller meanwhile.
_MOST = 64
_PASSING = 4
# What ends the program, or the worker's own coroutine. All else that a function raises is its failure, also what is no
# `Exception`: a panic of a library in Rust, say, or `pytest.fail`.
_EXITS = (SystemExit, KeyboardInterrupt, GeneratorExit)


class Pool(Protocol):
    """What workers need of the pool that they work for."""

    @property
    def context(self) -> Context:
        """See `PoolLogic`."""
        ...

    @property
    def policy(self) -> ErrorPolicy:
        """What is done when the function fails."""
        ...

    def start(self, slot: Slot) -> Any:
        """Call the function for one record."""
        ...

    def results(self, slot: Slot, returned: Any) -> list[Any]:
        """What goes out for a record."""
        ...

    def started(self, slot: Slot) -> None:
        """A record has left its lane and begins."""
        ...

    def completed(self, slot: Slot, outputs: list[Any]) -> None:
        """The function has ended for a record."""
        ...

    def crowded(self, slot: Slot) -> bool:
        """Whether a generator has made enough for now."""
        ...


class Workers:
    """The workers of one pool.

    Args:
        pool: whose function they call.
        lanes: where they take records from.
        places: how many are at work at a time.
        timeout: seconds that one call may take.
    """

    def __init__(self, pool: Pool, lanes: Lanes, places: int, timeout: float | None) -> None:
        self._pool = pool
        self._lanes = lanes
        self._places = places
        self._timeout = timeout
        self._turn = Turn(pool.context.budget)
        # What a worker starts with. Not what is there when it is needed: that may be a call's, with its deadline.
        self._variables = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._made = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        # Workers that were started or woken and have not looked at the lanes yet.
        self._coming = 0
        # How many are at work; how many wait without a place for their caller.
        self._working = 0
        self._away = 0
        # Those that come back and wait for a place.
        self._returning: deque[asyncio.Future[None]] = deque()
        # Generators that wait for results to be collected.
        self._parked: list[tuple[Slot, asyncio.Future[None]]] = []
        self._closing = False

    def summon(self) -> None:
        """Wake idle workers for the records that wait, or start some."""
        records = self._lanes.waiting
        while self._coming < records and self._idle:
            idle = self._idle.popleft()
            if not idle.done():
                idle.set_result(None)
                self._coming += 1
        while self._coming < records and len(self._tasks) - self._away < self._places:
            context = self._pool.context
            name = f"{context.name}[{context.subtask_index}] worker {self._made}"
            self._made += 1
            variables = self._variables.copy()
            self._tasks.add(asyncio.get_running_loop().create_task(self._work(), name=name, context=variables))
            self._coming += 1

    def resume(self) -> None:
        """Results were collected: wake generators that waited for it, and workers if something waits."""
        if self._parked:
            parked, self._parked = self._parked, []
            for slot, future in parked:
                if self._pool.crowded(slot) and not future.done():
                    self._parked.append((slot, future))
                elif not future.done():
                    future.set_result(None)
        if self._lanes:
            self.summon()

    async def aclose(self) -> None:
        """Cancel what runs and wait for it.

        Cancel safety: everything is cancelled; it is not waited for.
        """
        self._closing = True
        for task in self._tasks:
            task.cancel()
        # Workers end by their cancellation only; what a function raises while it is cancelled has nobody to go to but
        # this.
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for error in ends:
            if isinstance(error, Exception):
                self._log(error)

    # ---- for generators

    def may_go_on(self, slot: Slot) -> bool:
        """Whether a generator that has used up its quota may make more without `room`."""
        if self._closing or slot.dropped:
            return False
        call = slot.lane.call
        if call is None:
            return not (self._turn.used_up() or self._pool.crowded(slot))
        number = self._turn.begin()
        if call.waits or number == slot.turn or self._pool.crowded(slot):
            return False
        self._grant(slot, number)  # it has suspended by itself
        return True

    async def room(self, slot: Slot) -> None:
        """Give way to others, and wait while a generator has made enough for now.

        Cancel safety: nothing is lost when cancelled.

        Raises:
            CancelledError: nobody wants more; the generator was told, but has kept its cancellation to itself.
        """
        if self._closing or slot.dropped:
            raise asyncio.CancelledError
        call = slot.lane.call
        if call is None:
            while self._turn.used_up():
                await self._turn.rest()
        else:
            await self._turn.pass_by(_PASSING)
            self._grant(slot, self._turn.begin())
        position = self._pool.context.position
        while self._pool.crowded(slot) or (call is not None and call.must_wait(position)):
            if self._timeout is None:
                await self._park(slot, position)
            else:
                await self._park_untimed(slot, position)

    def _grant(self, slot: Slot, number: int) -> None:
        call: Any = slot.lane.call
        slot.turn = number
        slot.quota = min(_MOST, 3 * call.taken + 1)

    async def _park_untimed(self, slot: Slot, position: int) -> None:
        # The time spent waiting for those downstream is not the function's.
        now = asyncio.get_running_loop().time
        ends = slot.clock.when()
        remaining = None if ends is None else ends - now()
        slot.clock.reschedule(None)
        await self._park(slot, position)
        slot.clock.reschedule(None if remaining is None else now() + remaining)

    async def _park(self, slot: Slot, position: int) -> None:
        future = asyncio.get_running_loop().create_future()
        call = slot.lane.call
        if call is not None and call.must_wait(position):
            call.when_room(lambda: None if future.done() else future.set_result(None))
        else:
            self._parked.append((slot, future))
        if call is None:
            await future
        else:  # also for one that only waits to be collected: those before it may wait for their caller by then
            await self._without_place(future)

    async def _without_place(self, future: "asyncio.Future[None]") -> None:
        self._away += 1
        self._yield_place()
        self.summon()
        place: asyncio.Future[None] | None = None
        try:
            await future
            if self._working >= self._places or self._returning:
                place = asyncio.get_running_loop().create_future()
                self._returning.append(place)
                await place
        finally:
            self._away -= 1
            if place is None or place.cancelled():  # else it has got the place of another
                self._working += 1  # maybe beyond the places: who is cancelled closes at once

    def _yield_place(self) -> None:
        if self._working <= self._places:
            while self._returning:
                place = self._returning.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._working -= 1

    # ---- workers

    async def _work(self) -> None:
        self._coming -= 1
        lanes, turn, pool, places = self._lanes, self._turn, self._pool, self._places
        start = pool.start if self._timeout is None else self._timed
        stayed = True
        task: Any = asyncio.current_task()
        while not self._closing:  # a function may have kept its cancellation to itself
            slot: Slot | None = None
            if lanes.waiting and self._working < places and not self._returning:
                if stayed and turn.used_up():
                    await turn.rest()
                    continue
                slot = lanes.take()
            if slot is None:
                if len(self._tasks) - self._away > places:
                    self._tasks.discard(task)
                    return
                await self._idleness()
                stayed = True
                continue
            self._working += 1
            lane = slot.lane
            number = turn.number if turn.begun else turn.begin()
            if lane.call is not None:
                pool.started(slot)
                await self._work_for_call(slot, start, task)
            else:
                if len(lane.waiting) == places - 1:
                    pool.started(slot)
                try:
                    outputs = pool.results(slot, await start(slot))
                except _EXITS:
                    raise
                except BaseException as error:
                    outputs = await self._try_again(slot, start, error)
                pool.completed(slot, outputs)
            if task.cancelling():
                await self._absorb(task)
            stayed = turn.number == number
            if self._returning:
                self._yield_place()
            else:
                self._working -= 1

    async def _work_for_call(self, slot: Slot, start: Callable[[Slot], Any], task: "asyncio.Task[None]") -> None:
        lane, pool = slot.lane, self._pool
        call: Any = lane.call
        slot.worker = task
        slot.turn = self._turn.begin()
        lane.running.add(slot)
        call.enter()
        outputs: list[Any] = []
        try:
            outputs = pool.results(slot, await start(slot))
        except _EXITS:
            raise
        except BaseException as error:
            outputs = await self._try_again(slot, start, error)
        finally:
            call.leave()
            lane.running.discard(slot)
        pool.completed(slot, outputs)

    async def _absorb(self, task: "asyncio.Task[None]") -> None:
        """The call was dropped, or the function has cancelled its own task: it was not the worker that was meant."""
        while task.uncancel():
            pass
        # The function may have ended before it was told: then it is still to come, and not for the next record.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    async def _try_again(self, slot: Slot, start: Callable[[Slot], Any], error: BaseException) -> list[Any]:
        """A call has failed: try again as the policy says. Returns results, or leaves the error in the slot."""
        policy, pool = self._pool.policy, self._pool
        while True:
            if slot.dropped:
                if isinstance(error, Exception):
                    self._log(error)
                return []
            if self._closing:
                raise error
            # A CancelledError here comes from within: of something that the function awaited, or of its own task.
            final = isinstance(error, InvalidOperator) or not isinstance(error, Exception)
            if final or not isinstance(policy, Retry) or slot.attempts >= policy.attempts:
                slot.error = error
                return []
            slot.attempts += 1
            try:
                await asyncio.sleep(policy.pause(slot.attempts - 1))
                return pool.results(slot, await start(slot))
            except _EXITS:
                raise
            except BaseException as again:
                error = again

    async def _timed(self, slot: Slot) -> Any:
        try:
            async with asyncio.timeout(self._timeout) as slot.clock:
                return await self._pool.start(slot)
        except TimeoutError as error:
            if slot.clock.expired():
                raise TimeoutError(f"the call did not end within timeout={self._timeout} seconds") from error
            raise

    def _log(self, error: Exception) -> None:
        context = self._pool.context
        context.logger.error("%s: failed while it was cancelled", context.name, exc_info=error)

    async def _idleness(self) -> None:
        idle = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        await idle
        self._coming -= 1
