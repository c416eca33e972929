"""Replicas killed at random under load: ``python -m tests.services.chaos 30`` for thirty seconds.

Every call either answers rightly or fails with a typed error within its deadline; none hangs; none is answered twice.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter

import sage

__all__ = ["Numbered", "storm"]

#: Seconds that a call has.
DEADLINE = 2.0
#: What a call may fail with.
TYPED = (sage.ServiceUnavailable, sage.DeadlineExceeded)


class Numbered(sage.Service):
    """Answers a number with itself, after a moment; tells which process it is."""

    async def ask(self, number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    async def items(self, number: int) -> object:
        for step in range(5):
            await asyncio.sleep(0.001)
            yield number + step

    async def pid(self) -> int:
        return os.getpid()


async def storm(seconds: float, *, seed: int = 0, callers: int = 16) -> Counter[str]:
    """Run the storm and count how calls ended.

    Raises:
        AssertionError: a promise was broken.
    """
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    env = sage.Environment("chaos")
    restart = sage.Restart(attempts=1_000_000, delay=0.01, max_delay=0.05)
    env.register_service("numbered", Numbered, place="zmq", replicas=2, restart=restart)
    async with env.services() as services:
        numbered = services["numbered"]
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds

        async def one(number: int) -> None:
            began = loop.time()
            try:
                with sage.deadline(DEADLINE):
                    if number % 4:
                        answer = await numbered.ask(number)
                        assert answer == number, f"{number} was answered by {answer}"
                    else:
                        items = [item async for item in numbered.items(number)]
                        assert items == [number + step for step in range(5)], f"{number} was answered by {items}"
                outcomes["answered"] += 1
            except TYPED as error:
                outcomes[type(error).__name__] += 1
                await asyncio.sleep(0.005)  # a caller that was refused does not come back at once
            assert loop.time() - began < DEADLINE + 60, "a call has outlived its deadline"

        def goes_on() -> bool:
            """Until the time is up; however slow the machine is, something must have happened by then."""
            return loop.time() < until or not (outcomes["killed"] and outcomes["answered"])

        async def caller(first: int) -> None:
            number = first
            while goes_on():
                await one(number)
                number += callers

        async def killer() -> None:
            while goes_on():
                await asyncio.sleep(chance.uniform(0.1, 0.5))
                try:
                    victim = await numbered.pid()
                except TYPED:
                    continue
                os.kill(victim, signal.SIGKILL)
                outcomes["killed"] += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(killer())
            for first in range(callers):
                group.create_task(caller(first))
    return outcomes


if __name__ == "__main__":
    print(dict(asyncio.run(storm(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))))
