"""pyzmq by hand: messages of msgpack on PUSH and PULL, and on DEALER and ROUTER."""

from contextlib import closing
from functools import partial
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.event_loops import on_loop
from benchmarks.transports.flow import Arrays, Flow, give, hear, take
from benchmarks.transports.packing import pack, unpack
from benchmarks.transports.stage import Way
from benchmarks.transports.worker import Figures, Port

__all__ = ["asynchronous", "synchronous"]

_ADDRESS = "tcp://127.0.0.1:*"
#: How many arrays may wait on each side; of smaller messages as many as is usual, a thousand.
_ARRAYS_WAITING = 16


def synchronous(name: str, flow: Flow) -> Way:
    """Blocking sockets, one message an item."""
    return Way(name, partial(_pull, flow=flow), partial(_push, flow=flow), flow.records)


def asynchronous(name: str, flow: Flow) -> Way:
    """Those of `zmq.asyncio`, one message an item."""
    return Way(name, partial(_pull_async, flow=flow), partial(_push_async, flow=flow), flow.records)


def _push(port: Port, flow: Flow) -> Figures:
    with zmq.Context() as context, closing(context.socket(zmq.PUSH)) as socket:
        _limit(socket, flow)
        socket.connect(port.hear())

        async def put(item: Any) -> None:
            socket.send(pack(item))

        async def put_array(item: Any) -> None:
            head = pack((item.dtype.str, item.shape))
            socket.send_multipart([head, item], copy=False)

        return on_loop(partial(give, port, flow, put_array if isinstance(flow, Arrays) else put))


def _pull(port: Port, flow: Flow) -> Figures:
    with zmq.Context() as context, closing(context.socket(zmq.PULL)) as socket:
        _limit(socket, flow)
        socket.bind(_ADDRESS)
        port.tell(socket.get_string(zmq.LAST_ENDPOINT))

        async def get() -> Any:
            return unpack(socket.recv())

        async def get_array() -> Any:
            import numpy

            head, body = socket.recv_multipart(copy=False)
            dtype, shape = unpack(head.buffer)
            return numpy.frombuffer(body.buffer, dtype).reshape(shape)

        return on_loop(partial(take, port, flow, get_array if isinstance(flow, Arrays) else get))


def _limit(socket: "zmq.Socket[bytes]", flow: Flow) -> None:
    socket.linger = 0
    if isinstance(flow, Arrays):
        socket.set_hwm(_ARRAYS_WAITING)


def _push_async(port: Port, flow: Flow) -> Figures:
    async def program() -> Figures:
        with zmq.asyncio.Context() as context, closing(context.socket(zmq.PUSH)) as socket:
            socket.linger = 0
            socket.connect(await hear(port))

            async def put(item: Any) -> None:
                await socket.send(pack(item))

            return await give(port, flow, put)

    return on_loop(program)


def _pull_async(port: Port, flow: Flow) -> Figures:
    async def program() -> Figures:
        with zmq.asyncio.Context() as context, closing(context.socket(zmq.PULL)) as socket:
            socket.linger = 0
            socket.bind(_ADDRESS)
            port.tell(socket.get_string(zmq.LAST_ENDPOINT))

            async def get() -> Any:
                return unpack(await socket.recv())

            return await take(port, flow, get)

    return on_loop(program)
