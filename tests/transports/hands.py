"""What other processes do with a queue, as told by a test: in processes of their own, or in Ray actors.

A process is started once, does any number of things at the same time, and answers each.
"""

import asyncio
import multiprocessing
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sage.transports import ChannelError, QueueDescriptor, resolve_descriptor

__all__ = ["ActorWorker", "Gone", "Hands", "ProcessWorker", "Worker"]

Description = dict[str, Any]
#: What a producer puts: who it is, and a number.
Item = tuple[str, int]

# Forks of a process that has loaded all this and has no loop: a hundred times quicker to start than a new one.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.transports.shm.workers", "tests.transports.hands"])


class Gone(Exception):
    """The process has ended before it had answered."""


class Hands:
    """Puts into queues, and takes from them."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._put = 0
        self._taken = 0

    async def pid(self) -> int:
        """Which process it is."""
        return os.getpid()

    async def put(self, description: Description, name: str, start: int, count: int) -> str:
        """Put numbered items, and close. Return how it ended: "put", or the error's name."""
        queue = _queue(description)
        try:
            for number in range(start, start + count):
                await queue.put((name, number))
                self._put += 1
        except ChannelError as error:
            return type(error).__name__
        finally:
            await queue.aclose()
        return "put"

    async def puts(self) -> int:
        """How many items have been put, over all queues."""
        return self._put

    async def takes(self) -> int:
        """How many items have been taken, over all queues."""
        return self._taken

    async def take(self, description: Description, count: int) -> list[Any]:
        """Take so many items, and keep the queue open, so that what came along with them is not given back."""
        queue = _queue(description)
        self._kept.append(queue)
        items = []
        for _ in range(count):
            items.append(await queue.get())
            self._taken += 1
        return items

    async def take_until(self, description: Description, mark: str) -> list[Any]:
        """Take items until one is a mark, or the queue ends; close. The last tells which: the mark, or the error."""
        queue = _queue(description)
        items: list[Any] = []
        try:
            while mark not in items[-1:]:
                items.append(await queue.get())
                self._taken += 1
        except ChannelError as error:
            items.append(type(error).__name__)
        finally:
            await queue.aclose()
        return items

    async def hold(self, description: Description) -> int:
        """Have items on this side that nobody takes; return how many."""
        receiver = await _queue(description).open_consumer()
        self._kept.append(receiver)
        there = asyncio.Event()
        receiver.listen(there.set)
        await there.wait()
        return len(receiver.drain())


def _queue(description: Description) -> QueueDescriptor[Any]:
    return resolve_descriptor(description)


class Worker(ABC):
    """A process with `Hands`, as a test knows it."""

    pid: int

    @abstractmethod
    async def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """Have it do something of `Hands`.

        Raises:
            Gone: it has ended.
        """

    def kill(self) -> None:
        """Kill it (SIGKILL), and return when no code of it runs any more; this loop has learned of nothing by then."""
        os.kill(self.pid, signal.SIGKILL)
        while _runs(self.pid):
            time.sleep(0.0001)

    @abstractmethod
    async def ended(self) -> None:
        """Kill it if it lives, and return when it is no more."""


class ProcessWorker(Worker):
    """A process of its own on this machine."""

    def __init__(self) -> None:
        self._here, there = _FORKS.Pipe()
        self._process: BaseProcess = _FORKS.Process(target=serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        asyncio.get_running_loop().add_reader(self._here.fileno(), self._read)

    async def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """See `Worker.do`."""
        self._asked += 1
        answer = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        try:
            self._here.send((self._asked, what.__name__, arguments))
        except OSError:  # the pipe is broken, or was closed when that was read
            raise Gone(f"process {self.pid}") from None
        return await answer

    async def ended(self) -> None:
        """See `Worker.ended`."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        self._read()
        self._process.close()

    def _read(self) -> None:
        try:
            while not self._here.closed and self._here.poll():
                number, result = self._here.recv()
                self._answers.pop(number).set_result(result)
        except (EOFError, ConnectionResetError):
            asyncio.get_running_loop().remove_reader(self._here.fileno())
            self._here.close()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(Gone(f"process {self.pid}"))


def _runs(pid: int) -> bool:
    """Whether a process has not been killed, or left, yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def serve(connection: Connection) -> None:
    """The other side: do what is asked, until nobody can ask any more."""

    async def work() -> None:
        hands, tasks = Hands(), set[asyncio.Task[None]]()
        over = asyncio.Event()

        async def answer(number: int, name: str, arguments: tuple[Any, ...]) -> None:
            connection.send((number, await getattr(hands, name)(*arguments)))

        def read() -> None:
            try:
                task = asyncio.create_task(answer(*connection.recv()))
            except EOFError:
                over.set()
            else:
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        asyncio.get_running_loop().add_reader(connection.fileno(), read)
        await over.wait()

    asyncio.run(work())


class ActorWorker(Worker):
    """An actor of the Ray cluster that this process has joined; made by `start`."""

    def __init__(self, actor: Any, pid: int) -> None:
        self._actor = actor
        self.pid = pid

    @classmethod
    async def start(cls) -> "ActorWorker":
        """Start one."""
        import ray

        actor: Any = ray.remote(num_cpus=0)(Hands).remote()
        return cls(actor, await actor.pid.remote())

    async def do(self, what: Callable[..., Any], *arguments: Any) -> Any:
        """See `Worker.do`."""
        from ray.exceptions import RayActorError

        try:
            return await getattr(self._actor, what.__name__).remote(*arguments)
        except RayActorError:
            raise Gone(f"process {self.pid}") from None

    async def ended(self) -> None:
        """See `Worker.ended`."""
        import ray

        ray.kill(self._actor)
        try:
            while True:
                await self.do(Hands.pid)
        except Gone:
            return
