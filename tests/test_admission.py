"""Admission: who is let in, who waits, who is refused, and that nothing is left behind."""

import asyncio
import copy
import pickle
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.admission import Admission, Door, Pass
from sage.errors import GraphError, Overloaded
from sage.testing import ManualClock


def door(*args: Any, **options: Any) -> Door:
    return Door(Admission(*args, **options), "job 'orders'")


async def settle() -> None:
    """Let whatever can go on do so."""
    for _ in range(3):
        await asyncio.sleep(0)


def arrivals(at: Door, log: list[str], name: str, **options: Any) -> "asyncio.Task[Pass]":
    async def arrive() -> Pass:
        entered = await at.enter(**options)
        log.append(name)
        return entered

    return asyncio.create_task(arrive())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_requests": 0}, "max_requests=0"),
        ({"max_requests": True}, "max_requests=True"),
        ({"max_requests": 1.5}, "max_requests=1.5"),
        ({"max_requests": 1, "max_queued": -1}, "max_queued=-1"),
        ({"max_requests": 1, "max_tokens": 0}, "max_tokens=0"),
        ({"max_requests": 1, "per_key": 0}, "per_key=0"),
        ({"max_requests": 1, "per_key": "two"}, "per_key='two'"),
        ({"max_requests": 1, "per_key": Admission(1, per_key=1)}, "per_key=..."),
    ],
)
def test_bounds_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(GraphError, match=r"^Admission\(") as raised:
        Admission(**options)
    assert told in str(raised.value)


async def test_there_is_room_until_there_is_none() -> None:
    at = door(2)
    first, second = await at.enter(), await at.enter()
    with pytest.raises(Overloaded, match=r"^job 'orders': 2 requests are open \(max_requests=2\); come again in") as no:
        await at.enter()
    assert no.value.limit == "max_requests"
    assert no.value.retry_after is not None
    assert no.value.retry_after > 0
    first.leave()
    first.leave()  # twice is harmless
    third = await at.enter()
    second.leave()
    third.leave()
    assert (at.open, at.queued, at.tokens, at.admitted, dict(at.refused)) == (0, 0, 0, 3, {"max_requests": 1})


async def test_a_pass_is_left_at_the_end_of_its_block() -> None:
    at = door(1)
    with await at.enter(tokens=5):
        assert (at.open, at.tokens) == (1, 5)
    assert (at.open, at.tokens) == (0, 0)


async def test_some_wait_and_the_rest_is_refused() -> None:
    at = door(1, max_queued=1)
    inside = await at.enter()
    waiting = asyncio.create_task(at.enter())
    await settle()
    assert at.queued == 1
    with pytest.raises(Overloaded, match=r"1 requests are open and 1 wait \(max_queued=1\)") as no:
        await at.enter()
    assert no.value.limit == "max_queued"
    inside.leave()
    assert at.open == 1  # the next is inside before it has run
    (await waiting).leave()
    assert (at.open, at.queued) == (0, 0)


async def test_tokens_are_reserved() -> None:
    at = door(10, max_tokens=100)
    with await at.enter(tokens=60):
        with pytest.raises(Overloaded, match=r"\(max_tokens=100\)") as no:
            await at.enter(tokens=41)
        assert no.value.limit == "max_tokens"
        (await at.enter(tokens=40)).leave()


async def test_what_never_fits_is_refused_at_once_and_for_good() -> None:
    at = door(1, max_queued=9, max_tokens=100, per_key=Admission(1, max_tokens=10))
    for tokens, limit in ((101, "max_tokens"), (11, "per_key.max_tokens")):
        with pytest.raises(Overloaded, match="ask for fewer") as no:
            await at.enter(tokens=tokens)
        assert (no.value.limit, no.value.retry_after) == (limit, None)
    assert dict(at.refused) == {"max_tokens": 1, "per_key.max_tokens": 1}
    with pytest.raises(ValueError, match="0 or more"):
        await at.enter(tokens=-1)


async def test_a_large_request_is_not_overtaken_by_small_ones() -> None:
    at = door(10, max_queued=10, max_tokens=100)
    log: list[str] = []
    inside = await at.enter(tokens=50)
    tasks = [arrivals(at, log, "large", tokens=100), arrivals(at, log, "small", tokens=1)]
    await settle()
    assert log == []
    inside.leave()
    await settle()
    assert log == ["large"]
    (await tasks[0]).leave()
    (await tasks[1]).leave()


async def test_giving_up_frees_those_who_were_held_up() -> None:
    at = door(10, max_queued=10, max_tokens=100)
    log: list[str] = []
    inside = await at.enter(tokens=50)
    large, small = arrivals(at, log, "large", tokens=100), arrivals(at, log, "small", tokens=1)
    await settle()
    large.cancel()
    (await asyncio.wait_for(small, 60)).leave()
    inside.leave()
    assert large.cancelled()
    assert (at.open, at.queued, log) == (0, 0, ["small"])


async def test_cancelled_in_the_moment_of_its_turn() -> None:
    at = door(1, max_queued=2)
    log: list[str] = []
    inside = await at.enter()
    first, second = arrivals(at, log, "first"), arrivals(at, log, "second")
    await settle()
    inside.leave()
    first.cancel()
    (await second).leave()
    await asyncio.wait([first])
    assert (log, at.open, at.queued) == (["second"], 0, 0)


async def test_keys_take_turns_and_a_higher_priority_goes_first() -> None:
    at = door(1, max_queued=10)
    log: list[str] = []
    inside = await at.enter()
    tasks = [arrivals(at, log, f"ana {number}", key="ana") for number in range(3)]
    tasks += [arrivals(at, log, f"bob {number}", key="bob") for number in range(2)]
    tasks += [arrivals(at, log, "urgent", key="ana", priority=1)]
    await settle()
    inside.leave()
    for _ in tasks:
        await settle()
        finished = next(task for task in tasks if task.done() and task.result().inside)
        finished.result().leave()
    assert log == ["urgent", "ana 0", "bob 0", "ana 1", "bob 1", "ana 2"]


async def test_one_key_leaves_room_for_others() -> None:
    at = door(4, max_queued=4, per_key=1)
    log: list[str] = []
    ana = await at.enter(key="ana")
    waiting = arrivals(at, log, "ana again", key="ana")
    await settle()
    bob = await at.enter(key="bob")  # passes by whoever waits for its own key
    assert (at.open, at.queued) == (2, 1)
    ana.leave()
    (await waiting).leave()
    bob.leave()
    assert at.open == 0


async def test_what_bounds_a_key_is_named() -> None:
    at = door(4, per_key=1)
    with await at.enter(key="ana"):
        with pytest.raises(Overloaded, match=r"1 requests are open for one key \(per_key=1\)|\(per_key=") as no:
            await at.enter(key="ana")
        assert no.value.limit == "per_key"
        assert "ana" not in str(no.value)  # it may be a secret

    at = door(4, max_queued=9, per_key=Admission(1, max_queued=1))
    with await at.enter(key="ana"):
        waiting = asyncio.create_task(at.enter(key="ana"))
        await settle()
        with pytest.raises(Overloaded, match=r"\(per_key\.max_queued=1\)") as no:
            await at.enter(key="ana")
        assert no.value.limit == "per_key.max_queued"
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_when_to_come_again_follows_the_pace() -> None:
    clock = ManualClock()
    at = Door(Admission(1), "job 'orders'", now=clock.now)
    for _ in range(10):
        entered = await at.enter()
        clock.advance(2)
        entered.leave()
    inside = await at.enter()
    with pytest.raises(Overloaded) as no:
        await at.enter()
    assert no.value.retry_after == pytest.approx(2, rel=0.2)
    clock.advance(100)  # nobody leaves any more
    with pytest.raises(Overloaded) as slow:
        await at.enter()
    assert slow.value.retry_after is not None
    assert slow.value.retry_after > 10
    inside.leave()


async def test_a_closed_door() -> None:
    at = door(1, max_queued=1)
    inside = await at.enter()
    waiting = asyncio.create_task(at.enter())
    await settle()
    at.close(lambda: GraphError("closed for today"))
    with pytest.raises(GraphError, match="closed for today"):
        await waiting
    with pytest.raises(GraphError, match="closed for today"):
        await at.enter()
    inside.leave()
    assert (at.open, at.queued) == (0, 0)


def test_the_error_crosses_processes() -> None:
    error = Overloaded("no room", limit="max_requests", retry_after=0.5)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (str(again), again.limit, again.retry_after) == ("no room", "max_requests", 0.5)
    assert (Overloaded("plain").limit, Overloaded("plain").retry_after) == (None, None)


class Crowd:
    """Requests that come, wait, are cancelled and leave in any order, watched all the time."""

    def __init__(self, at: Door) -> None:
        self.at = at
        self.inside: list[Pass] = []
        self.waiting: list[asyncio.Task[Pass]] = []
        self.refused = 0

    async def arrive(self, tokens: int, key: int, priority: int) -> None:
        task = asyncio.create_task(self.at.enter(tokens=tokens, key=key, priority=priority))
        self.waiting.append(task)

    async def step(self) -> None:
        await settle()
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            if task.cancelled():
                continue
            if isinstance(task.exception(), Overloaded):
                self.refused += 1
            else:
                self.inside.append(task.result())
        self.check()

    def check(self) -> None:
        bounds, each = self.at.admission, self.at.admission.each_key
        assert self.at.open == len(self.inside) <= bounds.max_requests
        assert self.at.queued == len(self.waiting) <= bounds.max_queued
        assert self.at.tokens == sum(entered.tokens for entered in self.inside)
        assert bounds.max_tokens is None or self.at.tokens <= bounds.max_tokens
        if each is not None:
            assert max(Counter(entered.key for entered in self.inside).values(), default=0) <= each.max_requests


ADMISSIONS = st.builds(
    Admission,
    max_requests=st.integers(1, 4),
    max_queued=st.integers(0, 6),
    max_tokens=st.none() | st.integers(5, 12),
    per_key=st.none() | st.integers(1, 2) | st.builds(Admission, st.integers(1, 2), max_queued=st.integers(0, 3)),
)


@given(admission=ADMISSIONS, seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_never_over_the_bounds_and_nothing_is_left(admission: Admission, seed: int, steps: int) -> None:
    asyncio.run(storm(Door(admission, "storm"), random.Random(seed), steps))


async def storm(at: Door, rng: random.Random, steps: int) -> None:
    crowd = Crowd(at)
    arrived = 0
    for _ in range(steps):
        for _ in range(rng.randrange(4)):
            arrived += 1
            await crowd.arrive(rng.randrange(6), rng.randrange(3), rng.randrange(2))
        for entered in rng.sample(crowd.inside, min(len(crowd.inside), rng.randrange(3))):
            crowd.inside.remove(entered)
            entered.leave()
        if crowd.waiting and rng.random() < 0.5:
            rng.choice(crowd.waiting).cancel()
        await crowd.step()
    while crowd.inside:  # whoever still waits gets its turn when those inside leave: nobody starves
        crowd.inside.pop(0).leave()
        await crowd.step()
    assert (at.open, at.tokens, at.queued, crowd.waiting) == (0, 0, 0, [])
    assert at.admitted + sum(at.refused.values()) <= arrived
    assert (at._loads, at._line._lanes, at._line._of_key) == ({}, {}, {})
