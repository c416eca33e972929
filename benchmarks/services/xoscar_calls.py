"""xoscar: an actor in a process of the pool. It streams nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import xoscar  # type: ignore[import-not-found, import-untyped, unused-ignore]  # it may not be installed

from benchmarks.services.subject import Called

__all__ = ["Bench", "opened"]


class Bench(xoscar.StatelessActor):  # type: ignore[misc, unused-ignore]  # the package has no types
    """What is called; without a lock of its own, so calls run at the same time."""

    async def echo(self, value: int) -> int:
        return value


@asynccontextmanager
async def opened() -> AsyncIterator[Called]:
    """Call an actor of the one process beside this one."""
    pool: Any = await xoscar.create_actor_pool("127.0.0.1", n_process=1)
    async with pool:
        beside = xoscar.allocate_strategy.ProcessIndex(1)
        bench: Any = await xoscar.create_actor(
            Bench, uid="bench", address=pool.external_address, allocate_strategy=beside
        )
        yield Called(bench.echo, bench.echo, notes=("xoscar actor: it does not stream its answers",))
