"""Kill one side at a random moment, many times, and see that the other learns of it in time and nothing stays behind.

    python -m tests.transports.zmq.kills --runs 100 --seed 1

The quick version of it is `test_processes.py`. Exits with 1 if anything was lost, repeated, told late, or left open.
"""

import argparse
import asyncio
import multiprocessing
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from sage.transports import BrokenChannel
from sage.transports.zmq import RPCQueueDescriptor
from tests.transports.zmq.leaks import no_leak
from tests.transports.zmq.workers import host_until_killed, put_until_killed, spawned

Queue = RPCQueueDescriptor[Any]
LOST_AFTER = 0.5
# The limit, and what a busy machine takes to run the other side.
LATEST = LOST_AFTER + 0.5


async def kill_a_sender(chance: random.Random, endpoint: str) -> float:
    """Kill a process that puts; return how many seconds passed until the receiver learned of it."""
    queue = Queue(endpoint=endpoint, maxsize=chance.choice([1, 64, 4096]), lost_after=LOST_AFTER)
    receiver = await queue.open_receiver()
    clock = asyncio.get_running_loop().time
    got: list[int] = []
    killed = 0.0

    def kill() -> None:
        nonlocal killed
        process.kill()
        killed = clock()

    with spawned(put_until_killed, queue.to_dict(), "writer") as process:
        got.append(await receiver.receive())
        asyncio.get_running_loop().call_later(chance.uniform(0, 0.3), kill)
        try:
            while True:
                got.append(await receiver.receive())
        except BrokenChannel as error:
            if f"process {process.pid}" not in error.peer:
                raise AssertionError(f"it does not name process {process.pid}: {error}") from error
        late = clock() - killed
    await receiver.aclose()
    if got != list(range(len(got))):
        raise AssertionError(f"of {len(got)} items some are lost, repeated or out of place")
    return late


async def kill_a_host(chance: random.Random, endpoint: str) -> float:
    """Kill the process that hosts; return how many seconds passed until a sender learned of it."""
    ready = multiprocessing.get_context("spawn").Queue()
    queue = Queue(endpoint=endpoint, maxsize=chance.choice([1, 64, 4096]), lost_after=LOST_AFTER)
    clock = asyncio.get_running_loop().time
    killed = 0.0

    def kill() -> None:
        nonlocal killed
        process.kill()
        killed = clock()

    with spawned(host_until_killed, queue.to_dict(), ready) as process:
        far = Queue.from_dict(await asyncio.to_thread(ready.get))
        sender = await far.open_sender()
        asyncio.get_running_loop().call_later(chance.uniform(0, 0.3), kill)
        try:
            while True:
                await sender.send(0)
        except BrokenChannel as error:
            if error.peer != f"the host at {far.address}":
                raise AssertionError(f"it does not name the host: {error}") from error
        late = clock() - killed
        await sender.aclose()
    ready.close()
    ready.join_thread()
    return late


async def run(runs: int, seed: int) -> list[float]:
    """Kill `runs` processes; return how late each was noticed."""
    chance = random.Random(seed)
    kills: list[Callable[[random.Random, str], Awaitable[float]]] = [kill_a_sender, kill_a_host]
    delays: list[float] = []

    async def once() -> None:
        endpoint = chance.choice(["tcp://127.0.0.1:0", "ipc://*"])
        async with asyncio.timeout(60):
            delays.append(await chance.choice(kills)(chance, endpoint))

    async def warm_up() -> None:
        for kill in kills:
            await kill(chance, "ipc://*")

    async with no_leak(warm_up):
        for number in range(runs):
            await once()
            print(f"\r{number + 1} of {runs}, latest {max(delays):.2f} s", end="", flush=True)
    print()
    return delays


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")
    delays = asyncio.run(run(chosen.runs, chosen.seed))
    late = [delay for delay in delays if delay > LATEST]
    print(f"noticed within {max(delays):.2f} s; limit {LOST_AFTER} s; {len(late)} later than {LATEST} s")
    return bool(late)


if __name__ == "__main__":
    sys.exit(main())
