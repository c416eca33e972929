"""The workers of a pool: their places, who gives one back, and what a cancelled call leaves of them."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator

import pytest

from sage.operators.calls import Call
from sage.operators.elements import Batch
from sage.operators.errors import RecordFailed
from sage.operators.flat_map import FlatMap
from sage.operators.map import Map
from sage.testing import OperatorHarness

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


async def turns(number: int = 30) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


class Steps:
    """Generators that make one result whenever they are told to, and note how many are at work."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.at_work = 0
        self.most = 0

    async def __call__(self, name: str) -> AsyncIterator[str]:
        self.log.append(f"{name} begins")
        try:
            for _ in range(6):
                self.at_work += 1
                self.most = max(self.most, self.at_work)
                await asyncio.sleep(0)
                self.at_work -= 1
                yield name
        finally:
            self.log.append(f"{name} ends")


async def collect(op: OperatorHarness) -> None:
    """Collect until nothing more comes of itself."""
    for _ in range(20):
        op.emitted.extend(op.logic.collect())  # type: ignore[arg-type]  # no logic here asks to wait
        await turns(6)


def fill(call: Call) -> None:
    """Its reader has a window full to read."""
    call.deliver([0] * call.window)


def empty(call: Call) -> None:
    call.unread.clear()
    call.read(call.window)


async def test_who_waits_for_its_reader_gives_its_place_and_gets_one_before_it_goes_on() -> None:
    steps = Steps()
    async with OperatorHarness(FlatMap(steps, concurrency=1)) as op:
        slow = op.call("slow")
        fill(slow)
        op.process(Batch(["slow", "other"], calls=["slow", "other"]))
        await collect(op)
        assert op.values.count("other") == 6
        assert op.values.count("slow") == 1
        op.process(Batch(["third"], calls=["third"]))
        empty(slow)
        await collect(op)
        assert op.values.count("slow") == 6
        assert op.values.count("third") == 6
        assert steps.most == 1


async def test_a_place_is_handed_on_to_one_only() -> None:
    gates = {name: asyncio.Event() for name in ("slow", "busy", "third")}
    at_work: list[str] = []

    async def work(name: str) -> AsyncIterator[str]:
        yield name
        at_work.append(name)
        await gates[name].wait()
        at_work.remove(name)

    async with OperatorHarness(FlatMap(work, concurrency=1)) as op:
        fill(op.call("slow"))
        op.process(Batch(["slow", "busy", "third"], calls=["slow", "busy", "third"]))
        await collect(op)
        assert at_work == ["busy"]
        empty(op.call("slow"))
        await turns()
        assert at_work == ["busy"]
        gates["busy"].set()
        await collect(op)
        assert at_work == ["slow"]  # and not the third one beside it
        gates["slow"].set()
        await collect(op)
        assert at_work == ["third"]
        gates["third"].set()
        await op.settle()
        assert sorted(op.values) == ["busy", "slow", "third"]


async def test_many_who_come_back_at_once_share_the_places() -> None:
    steps = Steps()
    names = [f"slow {number}" for number in range(7)]
    async with OperatorHarness(FlatMap(steps, concurrency=2)) as op:
        for name in names:
            fill(op.call(name))
        op.process(Batch(names, calls=names))
        await collect(op)
        assert len([line for line in steps.log if line.endswith("begins")]) == 7
        op.process(Batch(["new"], calls=["new"]))
        for name in names:
            empty(op.call(name))
        await op.settle()
        assert sorted(op.values) == sorted([*names, "new"] * 6)
        assert steps.most == 2


@pytest.mark.parametrize("coming_back", [False, True])
async def test_one_that_dies_while_it_has_no_place_costs_nobody_one(coming_back: bool) -> None:
    steps = Steps()
    async with OperatorHarness(FlatMap(steps, concurrency=1)) as op:
        dying, slow = op.call("dying"), op.call("slow")
        fill(dying)
        fill(slow)
        op.process(Batch(["dying", "slow", "busy"], calls=["dying", "slow", "busy"]))
        await collect(op)
        op.process(Batch(["busy"] * 3, calls=["busy"] * 3))
        if coming_back:
            empty(dying)
            empty(slow)
            await asyncio.sleep(0)
        dying.kill(ValueError())
        empty(slow)
        await op.settle()
        assert op.values.count("slow") == 6
        assert op.values.count("busy") == 24
        assert steps.most == 1
        assert (dying.live, steps.at_work) == (1, 0)  # the request itself, as the harness has it
        op.process(Batch(["again"] * 2, calls=["again"] * 2))
        await op.settle()
        assert op.values.count("again") == 12


async def test_a_worker_does_not_start_with_what_another_works_for() -> None:
    seen: list[str] = []

    class Marked(Call):
        __slots__ = ()

        def enter(self) -> None:
            variable.set(self.name)

        def leave(self) -> None:
            variable.set("none")

    async def work(value: str) -> AsyncIterator[str]:
        seen.append(variable.get())
        for _ in range(5):
            yield value

    async with OperatorHarness(FlatMap(work, concurrency=1)) as op:
        call = Marked("call")
        call.live = 2
        fill(call)
        op.logic.process(Batch(["call"], calls=[call]), 0)
        op.process(["plain"])
        await collect(op)
        assert seen == ["call", "none"]
        empty(call)
        await op.settle()
        assert call.live == 1


@pytest.mark.parametrize("timeout", [None, 100])
async def test_a_worker_outlives_its_call(timeout: float | None, caplog: pytest.LogCaptureFixture) -> None:
    """However its function takes the cancellation."""
    gate = asyncio.Event()

    async def work(name: str) -> str:
        try:
            if name != "good":
                await gate.wait()
        except asyncio.CancelledError:
            if name == "keeps":
                return name
            if name == "again":
                await asyncio.sleep(0)
                raise
            if name == "fails":
                raise RuntimeError("while it closed") from None
            raise
        return name

    async with OperatorHarness(Map(work, concurrency=1, timeout=timeout)) as op:
        for name in ("obeys", "keeps", "again", "fails"):
            op.process(Batch([name, name], calls=[name, name]))
            await turns()
            op.call(name).kill(ValueError())
            op.process(Batch(["good"], calls=["good"]))
            with caplog.at_level(logging.ERROR):
                await op.settle()
            assert op.call(name).live == 1
        assert op.values == ["good"] * 4
    assert ["failed while it was cancelled" in record.getMessage() for record in caplog.records] == [True]


async def test_a_call_that_dies_as_its_function_ends() -> None:
    """The cancellation is not delivered then: the next record must not get it."""
    gates = {name: asyncio.Event() for name in ("dies", "next")}

    async def work(name: str) -> str:
        await gates[name].wait()
        return name

    async with OperatorHarness(Map(work, concurrency=1)) as op:
        op.process(Batch(["dies", "next"], calls=["dies", "next"]))
        await turns()
        gates["dies"].set()
        gates["next"].set()
        op.call("dies").kill(ValueError())
        await op.settle()
        assert op.values == ["next"]


@pytest.mark.parametrize("of_calls", [True, False])
async def test_a_function_that_cancels_its_own_task_fails_its_record_only(of_calls: bool) -> None:
    ended: list[str] = []

    async def work(name: str) -> str:
        if name != "next":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        if name != "ends":  # else it has ended before the cancellation comes
            await asyncio.sleep(0)
        ended.append(name)
        return name

    async with OperatorHarness(Map(work, concurrency=1)) as op:
        for name in ("ends", "waits"):
            op.process(Batch([name, "next"], calls=[name, "other"] if of_calls else None))
            if of_calls or name == "ends":
                await op.settle()
            else:
                with pytest.raises(RecordFailed, match=r"CancelledError.*record: 'waits'"):
                    await op.settle()
                await turns()
        assert ended == ["ends", "next", "next"]
        if of_calls:
            assert op.call("ends").error is None
            assert str(op.call("waits").error) == "the function was stopped from within: CancelledError"


async def test_no_worker_is_left() -> None:
    before = asyncio.all_tasks()
    steps = Steps()
    async with OperatorHarness(FlatMap(steps, concurrency=2)) as op:
        for number in range(9):
            name = str(number)
            fill(op.call(name))
            op.process(Batch([name], calls=[name]))
        await collect(op)
        assert len(asyncio.all_tasks() - before) == 9
        for number in range(6):
            empty(op.call(str(number)))
        await collect(op)
        assert len(asyncio.all_tasks() - before) <= 3 + 2  # parked ones, and idle ones up to the places
    assert asyncio.all_tasks() == before
    assert len([line for line in steps.log if line.endswith("ends")]) == 9
