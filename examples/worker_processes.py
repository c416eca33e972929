"""Worker processes: jobs go out by one queue, results come back by another; both are bounded.

Each job goes to whichever worker asks first. When the jobs are done, closing their queue ends the workers. It prints::

    the first 100 squares: 328350
"""

import asyncio
import multiprocessing
from typing import Any

from sage.transports import create_queue, resolve_descriptor

JOBS = 100
WORKERS = 2


async def work(jobs: dict[str, Any], results: dict[str, Any]) -> None:
    """Take jobs until there are no more."""
    async with resolve_descriptor(jobs) as inbox, resolve_descriptor(results) as outbox:
        async for number in inbox:
            await outbox.put(number * number)


def worker(jobs: dict[str, Any], results: dict[str, Any]) -> None:
    """What runs in each process."""
    asyncio.run(work(jobs, results))


async def main() -> None:
    """Start the workers, give out the jobs, gather the results."""
    spawn = multiprocessing.get_context("spawn")
    async with create_queue("sage", maxsize=64) as results:
        await results.open()
        async with create_queue("sage", maxsize=8) as jobs:
            await jobs.open()
            processes = [
                spawn.Process(target=worker, args=(jobs.to_dict(), results.to_dict()), daemon=True)
                for _ in range(WORKERS)
            ]
            for process in processes:
                process.start()

            async def give_out() -> None:
                for number in range(JOBS):
                    await jobs.put(number)

            async with asyncio.TaskGroup() as group:
                group.create_task(give_out())
                total = sum([await results.get() for _ in range(JOBS)])
    print(f"the first {JOBS} squares: {total}")
    for process in processes:
        await asyncio.to_thread(process.join)


if __name__ == "__main__":
    asyncio.run(main())
