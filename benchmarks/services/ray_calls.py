"""Ray: an async actor of a small cluster, which ends with the block."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.services.subject import Called
from sage.transports.ray import ensure_ray_initialized

__all__ = ["Bench", "opened"]

#: What Ray asks to have for objects at least, in bytes, is 75 MiB.
_STORE = 80 << 20


class Bench:
    """What is called."""

    async def echo(self, value: int) -> int:
        return value

    async def items(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number


@asynccontextmanager
async def opened() -> AsyncIterator[Called]:
    """Call through Ray: the driver is this process."""
    import ray

    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        before = dict(os.environ)
        os.environ |= {"HOME": folder, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        try:
            ensure_ray_initialized(_temp_dir=folder, num_cpus=2, object_store_memory=_STORE)
            bench: Any = ray.remote(num_cpus=0)(Bench).remote()

            async def echo(value: int) -> Any:
                return await bench.echo.remote(value)

            async def items(count: int) -> AsyncIterator[Any]:
                async for item in bench.items.options(num_returns="streaming").remote(count):
                    yield await item

            yield Called(echo, echo, items)
        finally:
            ray.shutdown()
            os.environ.clear()
            os.environ.update(before)
