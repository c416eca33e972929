"""When a loop has ended: rounds of probes, with heads that only take note."""

from sage.runtime.feedback import LoopWatch, Probe


class Head:
    """Takes note of what the watch asks of it."""

    def __init__(self) -> None:
        self.probes: list[Probe] = []
        self.ended = False

    def send_probe(self, probe: Probe) -> None:
        assert not self.ended
        self.probes.append(probe)

    def end_loop(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = True


def watched(count: int) -> tuple[LoopWatch, list[Head]]:
    watch, heads = LoopWatch(5, count), [Head() for _ in range(count)]
    for head in heads:
        watch.join(head)
    return watch, heads


def ended(*heads: Head) -> list[bool]:
    return [head.ended for head in heads]


def test_the_first_round_starts_when_all_heads_are_there() -> None:
    watch, first, second = LoopWatch(5, 2), Head(), Head()
    watch.join(first)
    assert first.probes == []
    watch.join(second)
    assert first.probes == second.probes == [Probe(5, 1)]


def test_a_quiet_round_ends_the_loop() -> None:
    watch, (head,) = watched(1)
    watch.returned(head, moved=False)
    assert head.ended
    assert head.probes == [Probe(5, 1)]


def test_a_round_in_which_something_moved_is_followed_by_another() -> None:
    watch, (head,) = watched(1)
    for number in (2, 3, 4):
        watch.returned(head, moved=True)
        assert not head.ended
        assert head.probes[-1] == Probe(5, number)
    watch.returned(head, moved=False)
    assert head.ended


def test_all_heads_must_be_quiet_in_the_same_round() -> None:
    watch, (first, second) = watched(2)
    watch.returned(first, moved=False)
    watch.returned(second, moved=True)
    assert ended(first, second) == [False, False]
    watch.returned(second, moved=False)
    watch.returned(first, moved=True)
    assert ended(first, second) == [False, False]
    watch.returned(first, moved=False)
    assert ended(first, second) == [False, False], "the second one is not back"
    watch.returned(second, moved=False)
    assert ended(first, second) == [True, True]
    assert first.probes == second.probes == [Probe(5, 1), Probe(5, 2), Probe(5, 3)]


def test_a_head_that_leaves_is_not_waited_for() -> None:
    watch, (first, second) = watched(2)
    watch.returned(first, moved=False)
    watch.leave(second)
    assert first.ended
    assert not second.ended


def test_a_head_that_leaves_after_its_probe_is_back_still_counts_in_this_round() -> None:
    watch, (first, second) = watched(2)
    watch.returned(second, moved=True)
    watch.leave(second)
    watch.returned(first, moved=False)
    assert not first.ended
    assert first.probes == [Probe(5, 1), Probe(5, 2)]
    assert second.probes == [Probe(5, 1)]
    watch.returned(first, moved=False)
    assert first.ended


def test_the_last_head_that_leaves_ends_the_watch() -> None:
    watch, (first, second) = watched(2)
    watch.leave(first)
    watch.leave(second)
    assert ended(first, second) == [False, False]


def test_a_head_that_leaves_before_the_others_have_come() -> None:
    watch, first, second = LoopWatch(5, 2), Head(), Head()
    watch.join(first)
    watch.leave(first)
    watch.join(second)
    assert (first.probes, second.probes) == ([], [Probe(5, 1)])
    watch.returned(second, moved=False)
    assert second.ended
