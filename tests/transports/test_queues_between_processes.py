"""What a queue promises when several processes put and get, and some are killed; the same for every transport.

Test processes are started once and used by all tests; one that was killed is replaced.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sage.transports import BrokenChannel, QueueDescriptor, create_queue
from sage.transports.zmq import RPCQueueDescriptor
from tests.ray_cluster import ray_cluster
from tests.transports.hands import ActorWorker, Gone, Hands, ProcessWorker, Worker

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # Ray's own.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

Queue = QueueDescriptor[Any]
END = "end"
_OPTIONS: dict[str, dict[str, Any]] = {"sage": {}, "rpc": {"endpoint": "ipc://*", "lost_after": 60.0}, "ray": {}}


class Crew:
    """The processes that put and get, and the queues of one transport.

    Attributes:
        many: how many items a test may have each producer put. A hop over Ray passes through a dozen threads, and takes
            a third of a second on a machine that has much else to do.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.many = 50 if kind == "ray" else 500
        self._workers: list[Worker] = []
        self._queue: Queue | None = None

    async def workers(self, count: int) -> list[Worker]:
        """So many that live."""
        missing = count - len(self._workers)
        self._workers += await asyncio.gather(*(self._start() for _ in range(missing)))
        return self._workers[:count]

    async def kill(self, worker: Worker) -> None:
        """Kill one at once; nobody is waited for."""
        self._workers.remove(worker)
        worker.kill()
        if isinstance(self._queue, RPCQueueDescriptor):
            hurry(self._queue._place.host)

    async def aclose(self) -> None:
        """End all."""
        await asyncio.gather(*(worker.ended() for worker in self._workers))

    @asynccontextmanager
    async def queue(self, maxsize: int) -> AsyncIterator[Queue]:
        """A queue that lives here, and leaves nothing behind."""
        before = self._held()
        async with asyncio.timeout(60), create_queue(self.kind, maxsize=maxsize, **_OPTIONS[self.kind]) as queue:
            await queue.open()
            self._queue = queue
            yield queue
            self._queue = None
        del queue
        async with asyncio.timeout(60):  # libzmq frees a socket, and Ray an actor, a moment after it was closed
            while any(after > there for after, there in zip(self._held(), before, strict=True)):
                await asyncio.sleep(0.005)

    def _held(self) -> tuple[int, ...]:
        """What there is now: tasks; open files, shared mappings and names in /dev/shm, or named actors."""
        gc.collect()
        tasks = len(asyncio.all_tasks())
        if self.kind == "ray":  # which opens and closes connections of its own
            import ray

            return tasks, len(ray.util.list_named_actors(all_namespaces=True))
        shared = sum(name.startswith("sage") for name in os.listdir("/dev/shm"))
        mappings = Path("/proc/self/maps").read_text().count("memfd:sage")
        return tasks, len(os.listdir("/proc/self/fd")), mappings, shared

    async def _start(self) -> Worker:
        return await ActorWorker.start() if self.kind == "ray" else ProcessWorker()


def hurry(host: Any) -> None:
    """Let a host's time pass: who has no connection is dead soon, and who only stands still for a while is not."""

    def beat() -> None:
        if not host._socket.closed:
            host._timer.cancel()
            host._beat()
            asyncio.get_running_loop().call_later(0.02, beat)

    beat()


@pytest.fixture(scope="module", params=["sage", "rpc", "ray"])
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "ray":
        with ray_cluster(str(tmp_path_factory.mktemp("home"))):
            yield request.param
    else:
        with pytest.MonkeyPatch.context() as patch:
            # Also those who are late to hear that a queue is closed learn that by its name.
            patch.setattr("sage.transports.zmq.host._FAREWELL", 20.0)
            yield request.param


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crew(kind: str) -> AsyncIterator[Crew]:
    crew = Crew(kind)
    workers = await crew.workers(5)
    async with create_queue(kind, maxsize=1, **_OPTIONS[kind]) as first:  # what it opens once stays open
        await first.open()
        putting = asyncio.create_task(workers[0].do(Hands.put, first.to_dict(), "first", 0, 1))
        assert await first.get() == ("first", 0)
        await putting
    yield crew
    await crew.aclose()


async def comes_to(count: Callable[[], Awaitable[int]], expected: int) -> None:
    """Return when a count is what is expected; it must never be more."""
    async with asyncio.timeout(60):
        while (now := await count()) != expected:
            assert now < expected
            await asyncio.sleep(0.002)


async def holds(queue: Queue, expected: int) -> None:
    """Return when a queue holds so many items."""
    async with asyncio.timeout(60):
        while queue.qsize() != expected:
            await asyncio.sleep(0.002)


def numbers(items: list[Any], name: str) -> list[int]:
    """What one producer has put of these, in the order in which it came."""
    return [number for producer, number in items if producer == name]


async def both_take(queue: Queue, consumers: list[Worker]) -> int:
    """Put items until each of the consumers has taken one; return how many that were."""
    before = [await consumer.do(Hands.takes) for consumer in consumers]
    count = 0
    while any([await worker.do(Hands.takes) == was for worker, was in zip(consumers, before, strict=True)]):
        # Some at once, of which each who is ready gets a part; single ones may all go to the same.
        await queue.put_many([("host", count + number) for number in range(4)])
        count += 4
    return count


async def test_what_three_put_two_take_once_and_in_order(crew: Crew) -> None:
    *producers, one, other = await crew.workers(5)
    async with crew.queue(32) as queue:
        description = queue.to_dict()
        taking = [asyncio.create_task(worker.do(Hands.take_until, description, END)) for worker in (one, other)]
        putting = [
            worker.do(Hands.put, description, name, 0, crew.many) for name, worker in zip("abc", producers, strict=True)
        ]
        assert await asyncio.gather(*putting) == ["put"] * 3
        await queue.put(END)
        await queue.put(END)  # whoever takes the first one gives back what came along behind it
        taken = await asyncio.gather(*taking)
        assert [items.pop() for items in taken] == [END, END]
        assert sorted(taken[0] + taken[1]) == [(name, number) for name in "abc" for number in range(crew.many)]
        for items in taken:
            for name in "abc":
                assert numbers(items, name) == sorted(numbers(items, name))
        await holds(queue, 0)


async def test_one_bound_holds_for_all_who_put(crew: Crew) -> None:
    producers = await crew.workers(3)
    before: int = sum([await worker.do(Hands.puts) for worker in producers])

    async def put() -> int:
        now: int = sum([await worker.do(Hands.puts) for worker in producers])
        return now - before

    async with crew.queue(16) as queue:
        putting = [
            asyncio.create_task(worker.do(Hands.put, queue.to_dict(), name, 0, 40))
            for name, worker in zip("abc", producers, strict=True)
        ]
        got: list[Any] = []
        for taken in range(5):
            await holds(queue, 16)
            await comes_to(put, 16 + taken)
            got.append(await queue.get())
        while len(got) < 120:
            got.append(await queue.get())
            assert queue.qsize() <= 16
        assert await asyncio.gather(*putting) == ["put"] * 3
        assert [numbers(got, name) for name in "abc"] == [list(range(40))] * 3


async def test_the_end_reaches_all_who_wait(crew: Crew) -> None:
    one, other, *producers = await crew.workers(4)
    async with crew.queue(4) as queue:
        taking = [asyncio.create_task(worker.do(Hands.take_until, queue.to_dict(), END)) for worker in (one, other)]
        count = await both_take(queue, [one, other])
        await holds(queue, 0)
        await queue.aclose()
        taken = await asyncio.gather(*taking)
        assert [items.pop() for items in taken] == ["EndOfChannel"] * 2
        assert sorted(taken[0] + taken[1]) == [("host", number) for number in range(count)]
    before = [await worker.do(Hands.puts) for worker in producers]
    async with crew.queue(4) as queue:
        description = queue.to_dict()
        putting = [asyncio.create_task(worker.do(Hands.put, description, "x", 0, 1_000_000)) for worker in producers]
        while any([await worker.do(Hands.puts) == was for worker, was in zip(producers, before, strict=True)]):
            await queue.get()  # whoever has not come yet would find nobody there
        await holds(queue, 4)
        await queue.aclose()
        assert await asyncio.gather(*putting) == ["ReceiverClosed"] * 2


async def test_a_consumer_is_killed_while_it_waits(crew: Crew) -> None:
    killed, other = await crew.workers(2)
    async with crew.queue(128) as queue:
        taking = asyncio.create_task(killed.do(Hands.take_until, queue.to_dict(), END))
        assert await both_take(queue, [killed]) >= 1
        await holds(queue, 0)
        await crew.kill(killed)
        for number in range(100):
            await queue.put(("host", number))  # the host may not have noticed, and send it some, which come back
        taken = await other.do(Hands.take, queue.to_dict(), 100)
        assert sorted(taken) == [("host", number) for number in range(100)]
        await holds(queue, 0)
        with pytest.raises(Gone):
            await taking
    await killed.ended()


async def test_a_consumer_is_killed_that_holds_what_it_has_not_taken(crew: Crew) -> None:
    holder, taker, other = await crew.workers(3)
    async with crew.queue(64) as queue:
        for number in range(40):
            await queue.put(("host", number))
        assert await holder.do(Hands.hold, queue.to_dict()) >= 1
        await crew.kill(holder)
        # Five are taken, and that is known here; what came along with them is not.
        taken = await taker.do(Hands.take, queue.to_dict(), 5)
        await holds(queue, 35)
        await crew.kill(taker)
        taken += await other.do(Hands.take, queue.to_dict(), 35)
        assert sorted(taken) == [("host", number) for number in range(40)]
        await holds(queue, 0)
    await holder.ended()
    await taker.ended()


async def test_a_producer_is_killed_while_it_puts(crew: Crew) -> None:
    killed, other = await crew.workers(2)
    async with crew.queue(64) as queue:
        description = queue.to_dict()
        putting = [
            asyncio.create_task(killed.do(Hands.put, description, "killed", 0, 1_000_000)),
            asyncio.create_task(other.do(Hands.put, description, "other", 0, crew.many)),
        ]
        got: list[Any] = []
        # Nobody would be told of one that has not come yet.
        while len(got) < crew.many // 5 or not numbers(got, "killed"):
            got.append(await queue.get())
        await crew.kill(killed)
        told: list[BrokenChannel] = []
        behind = 0
        while not told or numbers(got, "other")[-1:] != [crew.many - 1]:
            try:
                got.append(await queue.get())
            except BrokenChannel as error:
                told.append(error)
                behind = len(numbers(got, "killed"))
        assert f"process {killed.pid}" in str(told[0])
        assert len(told) == 1
        assert numbers(got, "other") == list(range(crew.many))
        assert numbers(got, "killed") == list(range(behind))
        await queue.put("goes on")
        assert await queue.get() == "goes on"
        assert await putting[1] == "put"
        with pytest.raises(Gone):
            await putting[0]
    await killed.ended()


async def test_a_producer_is_killed_while_it_waits_for_room(crew: Crew) -> None:
    killed, other = await crew.workers(2)
    async with crew.queue(4) as queue:
        putting = asyncio.create_task(killed.do(Hands.put, queue.to_dict(), "killed", 0, 100))
        await holds(queue, 4)
        await crew.kill(killed)
        got: list[Any] = []
        with pytest.raises(BrokenChannel, match=f"process {killed.pid}"):
            while True:
                got.append(await queue.get())
        assert numbers(got, "killed") == list(range(len(got)))
        # All places are free again, those too that had been lent to it.
        assert await other.do(Hands.put, queue.to_dict(), "other", 0, 4) == "put"
        assert [await queue.get() for _ in range(4)] == [("other", number) for number in range(4)]
        with pytest.raises(Gone):
            await putting
    await killed.ended()


async def test_only_the_host_is_told_that_a_producer_was_killed_while_consumers_elsewhere_wait(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "sage.transports"]

    killed, one = await crew.workers(2)
    async with crew.queue(8) as queue:
        taking = asyncio.create_task(one.do(Hands.take_until, queue.to_dict(), END))
        putting = asyncio.create_task(killed.do(Hands.put, queue.to_dict(), "killed", 0, 1_000_000))
        before = await one.do(Hands.takes)
        while await one.do(Hands.takes) < before + 20:
            await asyncio.sleep(0)
        await crew.kill(killed)
        while not told():
            await asyncio.sleep(0.002)
        assert f"process {killed.pid}" in told()[0]
        assert "went away" in told()[0]
        await queue.put(END)
        first = await taking
        assert first.pop() == END
        assert numbers(first, "killed") == list(range(len(first)))
        with pytest.raises(Gone):
            await putting
    assert len(told()) == 1
    await killed.ended()


async def test_consumers_elsewhere_go_on_when_a_producer_is_killed(crew: Crew) -> None:
    killed, producer, one, other = await crew.workers(4)
    async with crew.queue(32) as queue:
        description = queue.to_dict()
        taking = [asyncio.create_task(worker.do(Hands.take_until, description, END)) for worker in (one, other)]
        before = await producer.do(Hands.puts)
        putting = [
            asyncio.create_task(killed.do(Hands.put, description, "killed", 0, 1_000_000)),
            asyncio.create_task(producer.do(Hands.put, description, "other", 0, crew.many)),
        ]
        while await producer.do(Hands.puts) < before + crew.many // 2:
            await asyncio.sleep(0)
        await crew.kill(killed)
        assert await putting[1] == "put"
        await queue.put(END)
        await queue.put(END)
        taken = await asyncio.gather(*taking)
        assert [items.pop() for items in taken] == [END, END]
        everything = taken[0] + taken[1]
        assert sorted(numbers(everything, "other")) == list(range(crew.many))
        first = sorted(numbers(everything, "killed"))
        assert first == list(range(len(first)))
        with pytest.raises(Gone):
            await putting[0]
    await killed.ended()
