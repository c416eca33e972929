"""The harness around one operator, with an operator that does everything an operator may do."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from sage.operators.contract import Emissions, Logic, Operator, Tagged, Wait
from sage.operators.elements import Batch, Watermark
from sage.testing import OperatorHarness


@dataclass(frozen=True)
class Probe(Operator[Any, Any]):
    """Hands itself out: the tests look at the logic that the harness drives."""

    kind: ClassVar[str] = "probe"
    opens: bool = True
    built: "list[ProbeLogic]" = field(default_factory=list)

    def build(self, subtask: int, parallelism: int) -> "ProbeLogic":
        self.built.append(ProbeLogic(self.opens))
        return self.built[-1]


class ProbeLogic(Logic):
    """Values pass, ``"later"`` comes out of `collect`, negative numbers go aside, and so on: see `process`."""

    def __init__(self, opens: bool) -> None:
        self.opens = opens
        self.calls: list[str] = []
        self.keeps = False
        self.held: list[Any] = []
        self.running = 0
        self.group: list[asyncio.Task[None]] = []
        self.results: list[Any] = []

    @property
    def pending(self) -> bool:
        return bool(self.running or self.results)

    async def open(self, context: Any) -> None:
        self.context = context
        self.calls.append("open")
        if not self.opens:
            raise OSError("no such file")

    def process(self, batch: Batch[Any], port: int) -> Emissions:
        for value in batch.values:
            if value == "later":
                self.start()
            elif value == "hold":
                self.held.append(value)
            elif value == "wait":
                yield Wait(2.5)
            elif value == "timer":
                self.context.set_timer(self.context.now() + 10, "tag")
            elif isinstance(value, int) and value < 0:
                yield Tagged("negative", Batch([value]))
            else:
                yield Batch([(port, value)])

    def start(self) -> None:
        async def work() -> None:
            await asyncio.sleep(0)
            self.running -= 1
            self.results.append("came later")
            self.context.wake()

        self.running += 1
        self.group.append(asyncio.create_task(work()))

    def collect(self) -> Emissions:
        """One at a time; the next one is due at once."""
        if self.results:
            yield Batch([self.results.pop()])
        if self.results:
            self.context.wake()

    def on_timer(self, tag: Any) -> Emissions:
        return [Batch([(tag, self.context.now())])]

    def on_watermark(self, watermark: Watermark) -> Emissions:
        return [Batch([f"before {watermark.timestamp}"])]

    def keeps_watermark(self, watermark: Watermark) -> bool:
        return self.keeps

    def flush(self) -> Emissions:
        held, self.held = self.held, []
        self.calls.append("flush")
        return [Batch(held)] if held else []

    def end(self) -> Emissions:
        self.calls.append("end")
        return [Batch(["last"])]

    async def close(self) -> None:
        self.calls.append("close")


async def test_batches_go_in_and_what_comes_out_is_kept_in_order() -> None:
    async with OperatorHarness(Probe()) as op:
        op.process(["a", -1, "b"])
        op.process(Batch(["c", -2]), port=1)
        assert op.batches == [[(0, "a")], [(0, "b")], [(1, "c")]]
        assert op.values == [(0, "a"), (0, "b"), (1, "c")]
        assert op.side == {"negative": [-1, -2]}
        assert [type(emission).__name__ for emission in op.emitted] == ["Batch", "Tagged", "Batch", "Batch", "Tagged"]


async def test_the_operator_is_opened_and_closed_around_the_block() -> None:
    probe = Probe()
    async with OperatorHarness(probe):
        assert probe.built[0].calls == ["open"]
    assert probe.built[0].calls == ["open", "close"]


async def test_an_operator_that_does_not_open_is_closed_all_the_same() -> None:
    probe = Probe(opens=False)
    with pytest.raises(OSError, match="no such file"):
        async with OperatorHarness(probe):
            pytest.fail("the block must not be entered")
    assert probe.built[0].calls == ["open", "close"]


async def test_a_watermark_comes_out_behind_what_it_caused() -> None:
    async with OperatorHarness(Probe()) as op:
        op.watermark(7)
        assert op.values == ["before 7"]
        assert op.emitted[-1] == Watermark(7)


async def test_a_watermark_that_is_kept_does_not_come_out() -> None:
    probe = Probe()
    async with OperatorHarness(probe) as op:
        probe.built[0].keeps = True
        op.watermark(7)
        assert Watermark(7) not in op.emitted


async def test_timers_reach_the_operator_when_time_has_passed() -> None:
    async with OperatorHarness(Probe()) as op:
        op.process(["timer"])
        op.advance(9.9)
        assert op.values == []
        op.advance(0.1)
        assert op.values == [("tag", 10.0)]


async def test_a_wait_is_noted_and_moves_the_clock() -> None:
    async with OperatorHarness(Probe()) as op:
        op.process(["wait", "timer", "wait"])
        assert op.slept == [2.5, 2.5]
        assert op.clock.now() == 5.0
        op.advance(7.5)
        assert op.values == [("tag", 12.5)]


async def test_settle_waits_for_asynchronous_work() -> None:
    async with OperatorHarness(Probe()) as op:
        op.process(["later", "later", "later"])
        assert op.values == []
        await op.settle()
        assert op.values == ["came later"] * 3


async def test_the_end_settles_flushes_and_ends() -> None:
    probe = Probe()
    async with OperatorHarness(probe) as op:
        op.process(["later", "hold"])
        await op.end()
        assert op.values == ["came later", "hold", "last"]
    assert probe.built[0].calls == ["open", "flush", "end", "close"]


async def test_flush_asks_for_what_is_held_back() -> None:
    async with OperatorHarness(Probe()) as op:
        op.process(["hold"])
        assert op.values == []
        op.flush()
        assert op.values == ["hold"]


async def test_the_context_says_what_the_harness_was_told() -> None:
    async with OperatorHarness(Probe(), batch_size=5, subtask_index=2, parallelism=3) as op:
        context = op.context
        assert (context.name, context.batch_size, context.subtask_index, context.parallelism) == ("probe", 5, 2, 3)
        assert context.logger.name == "sage.testing.probe"
        assert context.now() == 0.0
