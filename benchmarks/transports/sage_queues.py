"""sage's queues and channels: hosted by the near process, used from the far one."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.event_loops import on_loop
from benchmarks.transports.flow import Arrays, Flow, Lists, give, hear, take
from benchmarks.transports.round_trip import Trips, answer_trips, ask_trips
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port
from sage.transports import QueueDescriptor, RPCQueueDescriptor, SageQueueDescriptor, create_queue, resolve_descriptor
from sage.transports.zmq import KeyPair

__all__ = ["each", "encrypted_lists", "filled", "lists", "many", "there_and_back"]


def each(name: str, kind: str, flow: Flow, **options: Any) -> Way:
    """`await queue.put(item)` and `await queue.get()`, item by item.

    Args:
        name: how tables call it.
        kind: of the queue, as `create_queue` has it.
        flow: what is sent.
        options: of the queue, such as its `maxsize`.
    """
    return Way(name, partial(_take, kind, options, flow), partial(_give, flow), flow.records)


def lists(name: str, kind: str, flow: Flow, **options: Any) -> Way:
    """`await sender.send(some, len(some))` and `await receiver.receive()`: each list is one item, as in the runtime."""
    return Way(name, partial(_receive, kind, options, flow), partial(_send, flow, None), flow.records)


def many(name: str, kind: str, flow: Lists, **options: Any) -> Way:
    """`await queue.put_many(some)` and `await queue.get_many(len(some))`: each record is an item."""
    return Way(name, partial(_take_many, kind, options, flow), partial(_give_many, flow), flow.records)


def filled(name: str, flow: Arrays, **options: Any) -> Way:
    """Arrays that are made in shared memory, `await queue.room(nbytes)`; of each only the ends are written to."""
    return Way(name, partial(_take, "sage", options, flow), partial(_give_filled, flow), flow.records)


def encrypted_lists(name: str, flow: Flow, maxsize: int) -> Way:
    """The same over ZeroMQ, encrypted: each process has keys, and lets in only whoever has the right ones."""
    host, worker = KeyPair.generate(), KeyPair.generate()
    options = {"maxsize": maxsize, "keys": host, "clients": [worker.public]}
    return Way(name, partial(_receive, "rpc", options, flow), partial(_send, flow, worker), flow.records)


def there_and_back(name: str, kind: str, trips: Trips, **options: Any) -> Way:
    """Two queues, both hosted by the near process."""
    return Way(name, partial(_ask, kind, options, trips), partial(_answer, trips), trips.count)


def _take(kind: str, options: Mapping[str, Any], flow: Flow, port: Port) -> Figures:
    async def program() -> Figures:
        async with await create_queue(kind, **options).open() as queue:
            port.tell(queue.to_dict())
            return await take(port, flow, queue.get)

    return on_loop(program)


def _give(flow: Flow, port: Port) -> Figures:
    async def program() -> Figures:
        async with resolve_descriptor(await hear(port)) as queue:
            return await give(port, flow, queue.put)

    return on_loop(program)


def _give_filled(flow: Arrays, port: Port) -> Figures:
    import numpy

    async def program() -> Figures:
        async with SageQueueDescriptor[Any].from_dict(await hear(port)) as queue:

            async def put(item: Any) -> None:
                array = numpy.frombuffer(await queue.room(item.nbytes), item.dtype)
                array[0], array[-1] = item[0], item[-1]
                await queue.put(array)

            return await give(port, flow, put)

    return on_loop(program)


def _take_many(kind: str, options: Mapping[str, Any], flow: Lists, port: Port) -> Figures:
    async def program() -> Figures:
        async with await create_queue(kind, **options).open() as queue:
            port.tell(queue.to_dict())
            return await take(port, flow, partial(queue.get_many, flow.length))

    return on_loop(program)


def _give_many(flow: Lists, port: Port) -> Figures:
    async def program() -> Figures:
        async with resolve_descriptor(await hear(port)) as queue:
            return await give(port, flow, queue.put_many)

    return on_loop(program)


def _receive(kind: str, options: Mapping[str, Any], flow: Flow, port: Port) -> Figures:
    async def program() -> Figures:
        descriptor: QueueDescriptor[Any] = create_queue(kind, **options)
        async with await descriptor.open_receiver() as receiver:
            port.tell(descriptor.to_dict())
            return await take(port, flow, receiver.receive)

    return on_loop(program)


def _send(flow: Flow, keys: KeyPair | None, port: Port) -> Figures:
    async def program() -> Figures:
        descriptor = resolve_descriptor(await hear(port))
        if isinstance(descriptor, RPCQueueDescriptor):
            descriptor.keys = keys
        async with await descriptor.open_sender() as sender:

            async def put(some: list[Any]) -> None:
                await sender.send(some, len(some))

            return await give(port, flow, put)

    return on_loop(program)


def _ask(kind: str, options: Mapping[str, Any], trips: Trips, port: Port) -> Figures:
    async def program() -> Figures:
        there, back = create_queue(kind, **options), create_queue(kind, **options)
        async with await there.open(), await back.open():
            port.tell((there.to_dict(), back.to_dict()))

            async def ask(record: Any) -> Any:
                await there.put(record)
                return await back.get()

            return await ask_trips(port, trips, ask)

    return on_loop(program)


def _answer(trips: Trips, port: Port) -> Figures:
    async def program() -> Figures:
        there, back = map(resolve_descriptor, await hear(port))
        async with there, back:
            return await answer_trips(port, trips, there.get, back.put)

    return on_loop(program)
