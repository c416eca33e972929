"""A running sum for each of a thousand users over a million payments."""

from collections.abc import Callable, Sequence

import sage
from benchmarks.contest import Contest, hold
from benchmarks.measure import expect
from benchmarks.outcome import Goal, Outcome
from benchmarks.plan import Plan

__all__ = ["Payment", "Update", "amount", "compare", "run", "user"]

Payment = tuple[str, int]
Update = tuple[str, int]


def user(payment: Payment) -> str:
    """The key."""
    return payment[0]


def amount(payment: Payment) -> int:
    """The value."""
    return payment[1]


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    return [compare(plan, records=plan.size(1_000_000, 50_000), keys=1_000)]


def compare(plan: Plan, *, records: int, keys: int) -> Outcome:
    """Measure it with so many records and keys."""
    users = [f"user-{number}" for number in range(keys)]
    payments = [(users[number * 7919 % keys], number % 100) for number in range(records)]
    contest: Contest[Sequence[Payment], list[Update]] = Contest(
        name="keyed",
        title=f"{records:,} records, {keys:,} keys: running sum of each, every update to a sink",
        work=payments,
        records=records,
        floor_name="plain for loop with a dict",
        floor=_plain_loop,
        subject=_with_sage,
        check=_check(payments),
        goals=(Goal({"way": "sage"}, "speed", least=0.72),),
    )
    return hold(contest, plan)


def _plain_loop(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    deliver = updates.append
    totals: dict[str, int] = {}
    for payment in payments:
        key = user(payment)
        totals[key] = total = totals.get(key, 0) + amount(payment)
        deliver((key, total))
    return updates


def _with_sage(payments: Sequence[Payment]) -> list[Update]:
    updates: list[Update] = []
    env = sage.Environment("keyed")
    env.from_iterable(payments).key_by(user).sum(amount).sink(updates.append)
    sage.run(env)
    return updates


def _check(payments: Sequence[Payment]) -> Callable[[list[Update]], None]:
    """Of each key the last update has to be its total. (Across keys, a peer may deliver in another order.)"""
    totals: dict[str, int] = {}
    for payment in payments:
        totals[user(payment)] = totals.get(user(payment), 0) + amount(payment)

    def check(updates: list[Update]) -> None:
        expect(len(updates) == len(payments), f"{len(updates)} updates for {len(payments)} records")
        expect(dict(updates) == totals, "the last updates are not the totals")

    return check
