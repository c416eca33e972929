"""Rates and shares of time from two looks at the counters."""

import pytest

from sage.cli.measure import History, JobProgress, OperatorProgress, Shares, Snapshot
from sage.kernel import ExecutionStatus, OperatorStatistics

ZERO = OperatorStatistics(
    parallelism=1, records_in=0, records_out=0, dropped=0, busy=0.0, idle=0.0, blocked=0.0, queued=0, capacity=1024
)


def between(then: OperatorStatistics, now: OperatorStatistics, seconds: float) -> OperatorProgress:
    history = History(0.0)
    history.add(Snapshot(10.0, {"op": then}))
    history.add(Snapshot(10.0 + seconds, {"op": now}))
    (operator,) = history.lately()
    return operator


def test_the_rate_is_what_was_taken_in() -> None:
    then, now = ZERO._replace(records_in=100, records_out=1), ZERO._replace(records_in=600, records_out=9_000)
    assert between(then, now, 2.0).rate == 250.0


def test_the_rate_of_a_source_is_what_it_gave_out() -> None:
    source = ZERO._replace(capacity=0)
    assert between(source, source._replace(records_out=500), 2.0).rate == 250.0


def test_the_rate_of_a_feedback_head_is_what_it_took_in() -> None:
    head = ZERO._replace(capacity=0, records_in=1)
    assert between(head, head._replace(records_in=11, records_out=500), 2.0).rate == 5.0


def test_two_looks_at_the_same_moment() -> None:
    assert between(ZERO, ZERO, 0.0).rate == 0.0


def test_shares_are_differences_over_the_interval() -> None:
    then = ZERO._replace(busy=5.0, idle=1.0)
    now = ZERO._replace(busy=5.5, idle=1.2, blocked=1.3)
    assert between(then, now, 2.0).shares == pytest.approx((0.25, 0.1, 0.65))


def test_shares_are_of_the_time_of_all_subtasks() -> None:
    then = ZERO._replace(parallelism=4)
    assert between(then, then._replace(busy=2.0, idle=6.0), 2.0).shares == pytest.approx((0.25, 0.75, 0.0))


def test_a_wait_from_before_the_interval_does_not_go_over_the_whole() -> None:
    assert between(ZERO, ZERO._replace(busy=1.0, idle=9.0), 2.0).shares == pytest.approx((0.1, 0.9, 0.0))


def test_who_told_of_no_time_has_no_shares() -> None:
    assert between(ZERO, ZERO, 2.0).shares is None


def test_fill_is_of_the_input_channels() -> None:
    assert between(ZERO, ZERO._replace(queued=256), 1.0).fill == 0.25
    assert between(ZERO, ZERO._replace(capacity=0), 1.0).fill is None


def test_the_title_tells_of_subtasks() -> None:
    assert between(ZERO, ZERO, 1.0).title == "op"
    assert between(ZERO, ZERO._replace(parallelism=3), 1.0).title == "op ×3"


def test_the_first_look_is_compared_with_the_start() -> None:
    history = History(1.0)
    history.add(Snapshot(2.0, {"op": ZERO._replace(records_in=10, busy=1.0)}))
    (operator,) = history.lately()
    assert (operator.rate, operator.shares) == (5.0, Shares(0.5, 0.0, 0.0))


def rates(window: float, counts: list[int]) -> list[float]:
    """What is shown as the rate when a look is taken every half second."""
    history, shown = History(window), []
    for tick, count in enumerate(counts):
        history.add(Snapshot(tick / 2, {"op": ZERO._replace(records_in=count)}))
        shown.append(history.lately()[0].rate)
    return shown


def test_rates_are_taken_over_the_window() -> None:
    assert rates(1.0, [0, 10, 10, 10, 10]) == [0.0, 20.0, 10.0, 0.0, 0.0]
    assert rates(0.0, [0, 10, 10, 30, 10]) == [0.0, 20.0, 0.0, 40.0, -40.0]


def test_overall_is_since_the_start_whatever_the_window() -> None:
    history = History(0.0)
    for tick in range(5):
        history.add(Snapshot(float(tick), {"op": ZERO._replace(records_in=tick * tick)}))
    assert history.overall()[0].rate == 4.0


def test_the_headline() -> None:
    assert JobProgress("clicks", ExecutionStatus.DRAINING, 3.14, []).headline == "job 'clicks' draining, 3.1 s"
