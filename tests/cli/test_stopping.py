"""How commands that serve are stopped."""

import asyncio
import queue
import signal

import pytest

from sage.cli import stopping
from sage.cli.failures import ExitCode
from sage.cli.signals import Signals, signals_taken
from sage.cli.stopping import LastResort, Staying, obeying_signals, stop_on_signals


class Server:
    """Notes what it is told."""

    def __init__(self, *, started: bool = True) -> None:
        self.started = started
        self.told = asyncio.Queue[str]()

    def finish(self) -> None:
        self.told.put_nowait("finish")

    def break_off(self) -> None:
        self.told.put_nowait("break off")


async def test_only_ctrl_c_breaks_off_what_finishes() -> None:
    server, said, left = Server(), list[str](), list[str]()
    signals = Signals(asyncio.get_running_loop(), last=lambda: left.append("left"))
    obeying = asyncio.create_task(stop_on_signals(server, signals, said.append))
    signals.on_signal(signal.SIGTERM, None)
    assert await server.told.get() == "finish"
    signals.on_signal(signal.SIGTERM, None)
    signals.on_signal(signal.SIGINT, None)
    assert await server.told.get() == "break off"
    assert left == []
    signals.on_signal(signal.SIGTERM, None)
    assert left == ["left"]
    await obeying
    assert [line.partition(";")[0] for line in said] == ["finishing what is there", "breaking off"]


async def test_what_has_not_started_is_stopped() -> None:
    server, said = Server(started=False), list[str]()
    signals = Signals(asyncio.get_running_loop())
    obeying = asyncio.create_task(stop_on_signals(server, signals, said.append))
    signals.on_signal(signal.SIGTERM, None)
    assert (await server.told.get(), said) == ("finish", ["stopping before the start"])
    obeying.cancel()


def test_the_last_resort() -> None:
    ended = queue.SimpleQueue[int]()
    last_resort = LastResort(ended.put)
    last_resort.arm(0.001)
    assert ended.get(timeout=60) == ExitCode.FAILED


def test_the_last_resort_is_not_needed() -> None:
    ended = queue.SimpleQueue[int]()
    last_resort = LastResort(ended.put)
    last_resort.dismiss()
    last_resort.arm(0)
    last_resort.thread.join(60)
    assert ended.empty()


@pytest.mark.parametrize(("started", "seconds"), [(True, 2 + stopping.CLOSING), (False, stopping.CLOSING)])
async def test_from_the_first_signal_on_the_time_is_bounded(
    monkeypatch: pytest.MonkeyPatch, started: bool, seconds: float
) -> None:
    armed = list[float | None]()

    class Resort:
        def arm(self, seconds: float) -> None:
            armed.append(seconds)

        def dismiss(self) -> None:
            armed.append(None)

    monkeypatch.setattr(stopping, "LastResort", Resort)
    server, before = Server(started=started), {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        async with obeying_signals(server, grace=2):
            signal.raise_signal(signal.SIGTERM)
            assert armed == [seconds]  # at once, also while something keeps the event loop
            assert await server.told.get() == "finish"
        # The process is about to end, and those who are impatient do not make a failure of it.
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def test_without_a_signal_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with obeying_signals(Server(), grace=0):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


async def test_the_first_signal_is_told_at_once() -> None:
    came = list[int]()
    with signals_taken(first=lambda: came.append(1)) as signals:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert came == [1]
        assert [await signals.next(), await signals.next()] == [signal.SIGTERM] * 2


async def test_a_block_ends_when_it_is_told_to() -> None:
    staying = Staying()
    with staying.ended():
        asyncio.get_running_loop().call_soon(staying.finish)
        await staying.stay()
        staying.break_off()
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.uncancel() == 0


async def test_a_block_that_has_not_started_is_left() -> None:
    async def offer() -> str:
        staying = Staying()
        with staying.ended():
            asyncio.get_running_loop().call_soon(staying.finish)
            await asyncio.Event().wait()  # starting
        return "quietly"

    assert await asyncio.create_task(offer()) == "quietly"
    with pytest.raises(asyncio.CancelledError), Staying().ended():
        raise asyncio.CancelledError  # by somebody else
