"""Flow control by credit: single cases, and properties over random histories."""

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from sage.transports import Credit, InvalidChannel


def test_places_are_taken_and_given_back() -> None:
    credit: Credit[str] = Credit(3)
    assert credit.try_acquire(2)
    assert not credit.try_acquire(2)
    assert credit.try_acquire(1)
    assert credit.release(3) == []
    assert credit.used == 0


def test_a_request_larger_than_the_queue_enters_an_empty_one() -> None:
    credit: Credit[str] = Credit(3)
    assert credit.try_acquire(7)
    assert not credit.try_acquire(1)
    credit.release(7)
    credit.try_acquire(1)
    assert not credit.try_acquire(7)


def test_size_zero_always_passes() -> None:
    credit: Credit[str] = Credit(1)
    credit.try_acquire(1)
    credit.stand_in_line("waits", 1)
    assert credit.try_acquire(0)
    assert credit.used == 1


def test_without_a_bound_everything_fits_and_is_counted() -> None:
    credit: Credit[str] = Credit(None)
    assert all(credit.try_acquire(1_000) for _ in range(10))
    assert credit.used == 10_000


def test_a_withdrawn_request_lets_those_behind_it_in() -> None:
    credit: Credit[str] = Credit(4)
    credit.try_acquire(2)
    for token, size in (("large", 3), ("small", 1), ("another", 1), ("last", 1)):
        credit.stand_in_line(token, size)
    assert list(credit.line) == ["large", "small", "another", "last"]
    assert credit.withdraw("large") == ["small", "another"]
    assert (credit.used, credit.waiting) == (4, 1)


def test_withdrawing_who_is_not_in_line_changes_nothing() -> None:
    credit: Credit[str] = Credit(1)
    credit.try_acquire(1)
    credit.stand_in_line("waits", 1)
    assert credit.withdraw("stranger") == []
    assert credit.waiting == 1


@pytest.mark.parametrize("capacity", [0, -3])
def test_a_queue_without_places_is_refused(capacity: int) -> None:
    with pytest.raises(InvalidChannel, match=f"capacity cannot be {capacity}"):
        Credit(capacity)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="its size cannot be -2"):
        Credit(3).try_acquire(-2)


@pytest.mark.parametrize("size", [2, -1])
def test_what_was_not_taken_cannot_be_given_back(size: int) -> None:
    credit: Credit[str] = Credit(3)
    credit.try_acquire(1)
    with pytest.raises(ValueError, match=f"{size} places are given back, but 1 are taken"):
        credit.release(size)
    assert credit.used == 1


class CreditMachine(RuleBasedStateMachine):
    """Any history of requests, releases and withdrawals, beside a model that knows who holds what."""

    held: Bundle[int] = Bundle("held")
    asked: Bundle[int] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.capacity: int | None = 1
        self.credit: Credit[int] = Credit(1)
        self.sizes: dict[int, int] = {}
        self.holds: set[int] = set()
        self.line: list[int] = []
        self.started = False

    @precondition(lambda self: not self.started)
    @rule(capacity=st.one_of(st.none(), st.integers(1, 12)))
    def describe(self, capacity: int | None) -> None:
        self.capacity, self.credit, self.started = capacity, Credit(capacity), True

    @rule(target=asked, size=st.integers(1, 15))
    def ask(self, size: int) -> int:
        self.started = True
        token = len(self.sizes)
        self.sizes[token] = size
        fits = self.fits(size)
        assert self.credit.try_acquire(size) == (fits and not self.line), "granted when it fits and nobody is before"
        if fits and not self.line:
            self.holds.add(token)
        else:
            self.credit.stand_in_line(token, size)
            self.line.append(token)
        return token

    @rule(token=consumes(asked))
    def finish_or_give_up(self, token: int) -> None:
        if token in self.holds:
            self.holds.remove(token)
            self.granted(self.credit.release(self.sizes[token]))
        else:
            self.line.remove(token)
            self.granted(self.credit.withdraw(token))

    @rule(target=asked, token=consumes(asked), part=st.integers(1, 14))
    def give_back_a_part(self, token: int, part: int) -> int:
        if token not in self.holds or part >= self.sizes[token]:
            return token
        self.sizes[token] -= part
        self.granted(self.credit.release(part))
        return token

    @rule()
    def pass_with_nothing(self) -> None:
        assert self.credit.try_acquire(0)

    def granted(self, tokens: list[int]) -> None:
        """Those granted are the first in line, each fitted when it came in, and the next one does not."""
        for token in tokens:
            assert token == self.line[0], "nobody overtakes"
            assert self.fits(self.sizes[token])
            self.holds.add(self.line.pop(0))
        assert not self.line or not self.fits(self.sizes[self.line[0]]), "granted as soon as it fits"

    def fits(self, size: int) -> bool:
        used = sum(self.sizes[token] for token in self.holds)
        return self.capacity is None or not used or used + size <= self.capacity

    @invariant()
    def places_are_conserved(self) -> None:
        assert self.credit.used == sum(self.sizes[token] for token in self.holds)

    @invariant()
    def the_bound_holds_but_for_one_large_request_alone(self) -> None:
        assert self.capacity is None or self.credit.used <= self.capacity or len(self.holds) == 1

    @invariant()
    def the_line_is_in_order_of_arrival(self) -> None:
        assert list(self.credit.line) == self.line == sorted(self.line)
        assert self.credit.waiting == len(self.line)

    def teardown(self) -> None:
        """When all who hold places give them back, everybody is granted in the end."""
        while self.holds:
            token = self.holds.pop()
            self.granted(self.credit.release(self.sizes[token]))
        assert (self.line, self.credit.used, self.credit.waiting) == ([], 0, 0)


CreditMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCreditProperties = CreditMachine.TestCase
