"""A million integers through map, filter, map and a sink: what a record costs that hardly anything is done with."""

from collections.abc import Callable, Sequence

import sage
from benchmarks.contest import Contest, hold
from benchmarks.measure import expect
from benchmarks.outcome import Goal, Outcome
from benchmarks.plan import Plan

__all__ = ["add_one", "compare", "is_even", "run", "triple"]


def add_one(number: int) -> int:
    """The first map."""
    return number + 1


def is_even(number: int) -> bool:
    """The filter: half of the records pass."""
    return number % 2 == 0


def triple(number: int) -> int:
    """The second map."""
    return number * 3


def run(plan: Plan) -> list[Outcome]:
    """See the module."""
    return [compare(plan, records=plan.size(1_000_000, 50_000))]


def compare(plan: Plan, *, records: int) -> Outcome:
    """Measure it with so many records."""
    contest: Contest[Sequence[int], list[int]] = Contest(
        name="chain",
        title=f"{records:,} integers: map, filter, map, sink",
        work=range(records),
        records=records,
        floor_name="plain for loop",
        floor=_plain_loop,
        subject=_with_sage,
        check=_check(records),
        goals=(Goal({"way": "sage"}, "speed", least=0.70),),
    )
    return hold(contest, plan)


def _plain_loop(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    deliver = results.append
    for number in numbers:
        after = add_one(number)
        if is_even(after):
            deliver(triple(after))
    return results


def _with_sage(numbers: Sequence[int]) -> list[int]:
    results: list[int] = []
    env = sage.Environment("chain")
    env.from_iterable(numbers).map(add_one).filter(is_even).map(triple).sink(results.append)
    sage.run(env)
    return results


def _check(records: int) -> Callable[[list[int]], None]:
    right = list(range(6, 3 * records + 1, 6))

    def check(results: list[int]) -> None:
        expect(results == right, f"{len(results)} of {len(right)} numbers, or in another order")

    return check
