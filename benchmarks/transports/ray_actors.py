"""Ray: a driver gives, and an actor in another process takes. sage's queue, and Ray's own, is held by a third one.

All of it is played by the near process: it starts a small cluster, which ends with it.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Any

from benchmarks.event_loops import on_loop
from benchmarks.transports.flow import Flow, Get, Lists, Put
from benchmarks.transports.stage import Way, clock
from benchmarks.transports.worker import Figures, Port
from sage.transports import RayQueueDescriptor, resolve_descriptor

__all__ = ["method_of_an_actor", "queue_of_ray", "queue_of_sage"]

#: How many calls may be under way.
_AHEAD = 16


def method_of_an_actor(flow: Lists, folder: str) -> Way:
    """Each list is passed to a method of the taker, with a few calls under way at a time.

    Args:
        flow: what is sent.
        folder: an empty one, for what Ray leaves in the home directory and in that for temporary files.
    """
    return Way("method of an actor", partial(_push, flow, folder), None, flow.records)


def queue_of_sage(flow: Lists, folder: str, maxsize: int) -> Way:
    """`await sender.send(some, len(some))`, and `await receiver.receive()` in the taker."""
    return Way("sage ray", partial(_send, flow, folder, maxsize), None, flow.records)


def queue_of_ray(flow: Flow, folder: str, maxsize: int) -> Way:
    """`await queue.put_async(record)`, and `await queue.get_async()` in the taker."""
    return Way("ray.util.queue.Queue", partial(_put_each, flow, folder, maxsize), None, flow.records)


class _Pushed:
    """Takes what is passed to its method."""

    def __init__(self, flow: Lists) -> None:
        self._flow = flow
        self._place = 0
        self._cpu = time.process_time()

    def push(self, some: list[Any]) -> None:
        self._place = self._flow.check(some, self._place)

    def warm(self) -> None:
        self._cpu = time.process_time()

    def taken(self) -> Figures:
        return {"ended": clock(), "get_cpu": time.process_time() - self._cpu}


class _Taker:
    """Takes from a queue."""

    async def take(self, flow: Flow, get: Get, first: int, count: int) -> Figures:
        cpu = time.process_time()
        await flow.take(get, first, count)
        return {"ended": clock(), "get_cpu": time.process_time() - cpu}


class _SageTaker(_Taker):
    def __init__(self, maxsize: int) -> None:
        self._descriptor = RayQueueDescriptor[Any](maxsize)

    async def open(self) -> dict[str, Any]:
        self._receiver = await self._descriptor.open_receiver()
        return self._descriptor.to_dict()

    async def take_lists(self, flow: Flow, first: int, count: int) -> Figures:
        return await self.take(flow, self._receiver.receive, first, count)

    async def close(self) -> None:
        await self._receiver.aclose()


class _RayTaker(_Taker):
    def __init__(self, queue: Any) -> None:
        self._queue = queue

    async def take_each(self, flow: Flow, first: int, count: int) -> Figures:
        return await self.take(flow, self._queue.get_async, first, count)


async def _give(flow: Flow, put: Put, take: Callable[[int, int], Awaitable[Figures]]) -> Figures:
    """Put everything, while an actor takes it."""
    items = flow.items()
    warm = asyncio.ensure_future(take(0, flow.warm_up))
    for item in islice(items, flow.warm_up):
        await put(item)
    await warm
    taken = asyncio.ensure_future(take(flow.warm_up, flow.count))
    began, cpu = clock(), time.process_time()
    for item in islice(items, flow.count):
        await put(item)
    put_cpu = time.process_time() - cpu
    return {"began": began, "put_cpu": put_cpu, **await taken}


def _push(flow: Lists, folder: str, _: Port) -> Figures:
    ray = _cluster(folder)
    pushed = ray.remote(num_cpus=0)(_Pushed).remote(flow)
    calls: deque[Any] = deque()

    async def put(some: Any) -> None:
        if len(calls) == _AHEAD:
            await calls.popleft()
        calls.append(pushed.push.remote(some))

    async def program() -> Figures:
        items = flow.items()
        for some in islice(items, flow.warm_up):
            await put(some)
        await pushed.warm.remote()
        began, cpu = clock(), time.process_time()
        for some in islice(items, flow.count):
            await put(some)
        figures = {"began": began, "put_cpu": time.process_time() - cpu}
        await asyncio.gather(*calls)
        return {**figures, **await pushed.taken.remote()}

    try:
        return on_loop(program)
    finally:
        ray.kill(pushed)


def _send(flow: Lists, folder: str, maxsize: int, _: Port) -> Figures:
    ray = _cluster(folder)
    taker = ray.remote(num_cpus=0)(_SageTaker).remote(maxsize)

    async def program() -> Figures:
        async with await resolve_descriptor(await taker.open.remote()).open_sender() as sender:

            async def put(some: list[Any]) -> None:
                await sender.send(some, len(some))

            figures = await _give(flow, put, partial(taker.take_lists.remote, flow))
        await taker.close.remote()
        return figures

    try:
        return on_loop(program)
    finally:
        ray.kill(taker)


def _put_each(flow: Flow, folder: str, maxsize: int, _: Port) -> Figures:
    ray = _cluster(folder)
    from ray.util.queue import Queue

    queue = Queue(maxsize, actor_options={"num_cpus": 0})
    taker = ray.remote(num_cpus=0)(_RayTaker).remote(queue)
    try:
        return on_loop(lambda: _give(flow, queue.put_async, partial(taker.take_each.remote, flow)))
    finally:
        ray.kill(taker)
        queue.shutdown(force=True)


def _cluster(folder: str) -> Any:
    """Ray, and a cluster that this process has started, now or for the way before."""
    os.environ |= {"HOME": folder, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray

    from sage.transports.ray import ensure_ray_initialized

    ensure_ray_initialized(_temp_dir=folder)
    return ray
