"""What a subtask counts: its time is told apart, and none of it is counted twice."""

import pytest

from sage.runtime import metrics
from sage.runtime.metrics import BLOCKED, BUSY, IDLE, Meter
from sage.runtime.stretch import Stretch


class Watch:
    """Stands in for `perf_counter`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(metrics, "perf_counter", watch)
    return watch


def test_a_meter_starts_at_zero(watch: Watch) -> None:
    meter = Meter(Stretch(0.002))
    watch.now += 5  # before its life: neither
    assert (meter.records_in, meter.records_out) == (0, 0)
    assert meter.seconds() == (0, 0, 0)


def test_time_is_busy_idle_or_blocked(watch: Watch) -> None:
    meter = Meter(Stretch(0.002))
    for state, seconds in ((BUSY, 1), (IDLE, 2), (BUSY, 4), (BLOCKED, 8), (BUSY, 16), (None, 32)):
        meter.turn(state)
        watch.now += seconds
    assert meter.seconds() == (1 + 4 + 16, 2, 8)


@pytest.mark.parametrize("state", [BUSY, IDLE, BLOCKED])
def test_to_ask_while_something_goes_on_counts_it_once(watch: Watch, state: str) -> None:
    meter = Meter(Stretch(0.002))
    meter.turn(state)
    for asked in (3, 6):
        watch.now += 3
        assert sum(meter.seconds()) == asked
        assert sum(meter.seconds()) == asked
    assert meter.seconds()[(BUSY, IDLE, BLOCKED).index(state)] == 6


def test_what_is_done_for_tasks_further_down_is_on_their_account(watch: Watch) -> None:
    stretch = Stretch(0.002)
    meter = Meter(stretch)
    meter.turn(BUSY)
    watch.now += 5
    stretch.inner = 3.0
    meter.turn(IDLE)
    assert meter.seconds() == (2, 0, 0)
    assert stretch.inner == 0


def test_work_that_goes_on_is_told(watch: Watch) -> None:
    meter = Meter(Stretch(0.002))
    meter.turn(BUSY)
    watch.now += 1
    meter.turn(IDLE)
    watch.now += 10
    meter.turn(BUSY)
    watch.now += 2
    assert meter.seconds()[0] == 3
    meter.turn(BUSY)  # a new stretch of the same
    watch.now += 4
    assert meter.seconds()[0] == 7
