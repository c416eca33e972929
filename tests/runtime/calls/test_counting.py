"""A call ends when the last of its records is gone: not before, and not later, whatever it went through."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import sage
from sage.testing import virtual_time
from tests.runtime.calls.asking import asking, read, turns

Shape = Callable[[Any], Any]


async def later(value: Any) -> Any:
    await asyncio.sleep(0.01 * (value % 3))
    return value


async def is_even(value: int) -> bool:
    await asyncio.sleep(0)
    return value % 2 == 0


def countdown(number: int) -> Iterator[int]:
    yield from range(number)


async def twice(value: int) -> list[int]:
    await asyncio.sleep(0)
    return [value, value]


async def counted(number: int) -> AsyncIterator[int]:
    for value in range(number):
        if value % 4 == 0:
            await asyncio.sleep(0.001)
        yield value


async def tens(values: list[int]) -> list[int]:
    await asyncio.sleep(0.001)
    return [value * 10 for value in values]


def twice_at_once(value: int) -> list[int]:
    return [value, value]


def lists_of_three(number: int) -> list[Any]:
    return [[*range(number)][at : at + 3] for at in range(0, number, 3)]


def in_tens(number: int) -> list[int]:
    return [value * 10 for value in range(number)]


def evens(number: int) -> list[int]:
    return list(range(0, number, 2))


def doubled(number: int) -> list[int]:
    return [value for value in range(number) for _ in "ab"]


# What is put behind ``endpoint.flat_map(range)``, and what it makes of the numbers below the one that was asked for.
STEPS: dict[str, tuple[Shape, Callable[[int], list[Any]]]] = {
    "map": (lambda s: s.map(lambda v: v), lambda n: [*range(n)]),
    "map_async": (lambda s: s.map(later), lambda n: [*range(n)]),
    "map_async_unordered": (lambda s: s.map(later, ordered=False), lambda n: [*range(n)]),
    "map_blocking": (lambda s: s.map(lambda v: v, blocking=True), lambda n: [*range(n)]),
    "filter": (lambda s: s.filter(lambda v: v % 2 == 0), evens),
    "filter_async": (lambda s: s.filter(is_even), evens),
    "filter_all": (lambda s: s.filter(lambda v: False), lambda n: []),
    "flat_map": (lambda s: s.flat_map(lambda v: [v, v]), doubled),
    "flat_map_nothing": (lambda s: s.flat_map(lambda v: ()), lambda n: []),
    "flat_map_generator": (lambda s: s.flat_map(countdown), lambda n: [v for m in range(n) for v in range(m)]),
    "flat_map_async": (lambda s: s.flat_map(twice), doubled),
    "flat_map_async_generator": (lambda s: s.flat_map(counted), lambda n: [v for m in range(n) for v in range(m)]),
    "flat_map_whole": (lambda s: s.flat_map(twice_at_once, on_error=sage.Retry(2)), doubled),
    "batch": (lambda s: s.batch(3), lists_of_three),
    "batch_with_time": (lambda s: s.batch(3, max_wait=5), lists_of_three),
    "map_batch": (lambda s: s.map_batch(lambda vs: [v * 10 for v in vs], max_size=4), in_tens),
    "map_batch_waiting": (
        lambda s: s.map_batch(lambda vs: [v * 10 for v in vs], max_size=4, max_wait=0.1),
        in_tens,
    ),
    "map_batch_async": (lambda s: s.map_batch(tens, max_size=4, max_wait=0.1), in_tens),
    "key_by": (lambda s: s.key_by(lambda v: v % 3), lambda n: [*range(n)]),
    "union": (lambda s: s.map(lambda v: v).union(s.filter(lambda v: False), s.map(later)), doubled),
    "connect": (lambda s: s.connect(s.map(lambda v: v)).map(lambda v: v, lambda v: v), doubled),
    "route": (lambda s: s.route(lambda v: "even" if v % 2 == 0 else "odd")["even"], evens),
    "side_output_unread": (lambda s: s.process(lambda v, ctx: ctx.emit(v, "side" if v % 2 else None)), evens),
    "broadcast": (lambda s: s.broadcast().map(lambda v: v, parallelism=2), doubled),
    "rebalance": (lambda s: s.rebalance().map(later, parallelism=3), lambda n: [*range(n)]),
    "partition": (lambda s: s.partition(lambda v, n: v % n).map(lambda v: v, parallelism=2), lambda n: [*range(n)]),
    "keyed_parallel": (lambda s: s.key_by(lambda v: v % 5).map(lambda v: v, parallelism=3), lambda n: [*range(n)]),
    "inspect": (lambda s: s.inspect(lambda v: None), lambda n: [*range(n)]),
    "process": (lambda s: s.process(lambda v, ctx: ctx.emit(v)), lambda n: [*range(n)]),
    "throttle": (lambda s: s.throttle(1_000, burst=2), lambda n: [*range(n)]),
    "fold_at_the_end": (lambda s: s.fold(0, lambda a, b: a + b, emit="end"), lambda n: []),
    "count_at_the_end": (lambda s: s.key_by(lambda v: v).count(emit="end"), lambda n: []),
}


@pytest.mark.parametrize("batch_size", [1, 4, 1024])
@pytest.mark.parametrize("kind", STEPS)
@virtual_time
async def test_each_caller_gets_its_own_and_nothing_stays(kind: str, batch_size: int) -> None:
    step, plain = STEPS[kind]
    env = sage.Environment("counting", batch_size=batch_size, call_window=8)
    step(env.endpoint("numbers").flat_map(range)).reply()
    async with asking(env) as hall:
        requests = [0, 1, 7, 30]
        for number, answer in zip(requests, await hall.ask("numbers", *requests), strict=True):
            assert sorted(answer) == sorted(plain(number)), number
        hall.check()


@pytest.mark.parametrize("kind", [kind for kind in STEPS if kind not in ("union", "connect", "broadcast")])
@virtual_time
async def test_two_in_a_row_and_in_order(kind: str) -> None:
    if kind in ("map_async_unordered", "rebalance", "partition", "keyed_parallel"):
        return
    step, plain = STEPS[kind]
    env = sage.Environment("order", batch_size=4, call_window=8)
    step(env.endpoint("numbers").flat_map(countdown)).map(lambda v: v).reply()
    async with asking(env) as hall:
        assert await hall.ask("numbers", 9, 0, 20) == [plain(9), plain(0), plain(20)]


RUNNING: dict[str, Shape] = {
    "reduce": lambda s: s.reduce(lambda a, b: a + b),
    "fold": lambda s: s.fold(0, lambda a, b: a + b),
    "count": lambda s: s.count(),
    "keyed_sum": lambda s: s.key_by(lambda v: v % 2).sum(),
    "max": lambda s: s.max(),
}


@pytest.mark.parametrize("kind", RUNNING)
@virtual_time
async def test_a_running_result_goes_to_whom_the_record_belongs(kind: str) -> None:
    env = sage.Environment("running", batch_size=4)
    RUNNING[kind](env.endpoint("numbers").flat_map(range)).reply()
    async with asking(env) as hall:
        answers = await hall.ask("numbers", 5, 0, 12)
        assert [len(answer) for answer in answers] == [5, 0, 12]


@virtual_time
async def test_an_async_connect_counts_each_record_once() -> None:
    env = sage.Environment("connected", batch_size=4)
    numbers = env.endpoint("numbers").flat_map(range)
    numbers.connect(numbers.map(lambda v: v + 100)).map(later, lambda v: v).reply()
    async with asking(env) as hall:
        for number, answer in zip((1, 9), await hall.ask("numbers", 1, 9), strict=True):
            assert sorted(answer) == [*range(number), *range(100, 100 + number)]


@virtual_time
async def test_distinct_and_take_let_go_of_what_they_leave_out() -> None:
    env = sage.Environment("fewer", batch_size=4)
    numbers = env.endpoint("numbers").flat_map(range)
    numbers.distinct().map(lambda v: ("new", v)).reply()
    numbers.skip(3).map(lambda v: ("late", v)).reply()
    async with asking(env) as hall:
        first = await hall.ask("numbers", 5)
        assert sorted(first[0]) == [("late", 3), ("late", 4), *(("new", v) for v in range(5))]
        assert await hall.ask("numbers", 2) == [[("late", 0), ("late", 1)]]


async def endless(value: int) -> AsyncIterator[int]:
    while True:
        yield value


class Remember(sage.ProcessFunction[int, int]):
    """Sets a timer that nobody waits for in a test."""

    def process(self, value: int, ctx: Any) -> None:
        ctx.emit(value)
        ctx.timers.after(1_000_000)

    def on_timer(self, timestamp: float, ctx: Any) -> None:
        ctx.emit(-1)


UNWANTED: dict[str, Shape] = {
    "inline": lambda s: s.map(lambda v: v),
    "pool": lambda s: s.map(later, concurrency=2),
    "unordered": lambda s: s.map(later, concurrency=2, ordered=False),
    "connect": lambda s: s.connect(s.map(lambda v: v)).map(lambda v: v, lambda v: v),
    "endless": lambda s: s.flat_map(endless, concurrency=2),
    "plain": lambda s: s.flat_map(lambda v: range(100_000)),
    "lists": lambda s: s.map_batch(tens, max_size=3, max_wait=10, concurrency=1),
    "inline lists": lambda s: s.map_batch(list, max_size=3, max_wait=10),
    "batch": lambda s: s.batch(2, max_wait=1_000),
    "timers": lambda s: s.process(Remember),
}


@pytest.mark.parametrize("kind", UNWANTED)
@virtual_time
async def test_what_take_wants_no_more_does_not_keep_a_call(kind: str) -> None:
    env = sage.Environment("take", batch_size=2, channel_capacity=4)
    numbers = env.endpoint("numbers").flat_map(range)
    numbers.map(lambda v: ("all", v)).reply()
    UNWANTED[kind](numbers).take(3).map(lambda v: ("first", v)).reply()
    async with asking(env) as hall:
        for number in (40, 5, 1):
            (answer,) = await asyncio.wait_for(hall.ask("numbers", number), 100)
            assert [v for kind, v in answer if kind == "all"] == [*range(number)]
        hall.check()


@virtual_time
async def test_several_replies_are_one_answer() -> None:
    env = sage.Environment("replies")
    numbers = env.endpoint("numbers").flat_map(range)
    numbers.filter(lambda v: v % 2 == 0).reply()
    numbers.filter(lambda v: v % 2).map(later).reply()
    env.endpoint("other").map(str).reply()
    async with asking(env) as hall:
        assert [sorted(answer) for answer in await hall.ask("numbers", 7, 0)] == [[*range(7)], []]
        assert await hall.ask("other", 7) == [["7"]]


@virtual_time
async def test_a_loop_ends_its_calls() -> None:
    env = sage.Environment("loop", batch_size=2)
    loop = env.feedback()
    numbers = env.endpoint("down").union(loop.stream).map(later)
    loop.close(numbers.filter(lambda v: v > 0).map(lambda v: v - 1))
    numbers.reply()
    async with asking(env) as hall:
        assert await hall.ask("down", 5, 0, 12) == [[*range(5, -1, -1)], [0], [*range(12, -1, -1)]]
        hall.check()
        answer = hall.job.stream("down", 3)
        await answer.admitted()
        drained = asyncio.ensure_future(hall.job.drain())
        assert await read(answer) == [3, 2, 1, 0]
        await drained


@virtual_time
async def test_dead_letters_belong_to_their_call() -> None:
    env = sage.Environment("letters")
    values = env.endpoint("divide").flat_map(range)
    results = values.map(lambda v: 6 // v, on_error=sage.DeadLetter())
    results.reply()
    results.side_output("dead_letters").map(lambda letter: repr(letter.value)).reply()
    async with asking(env) as hall:
        assert [sorted(map(str, answer)) for answer in await hall.ask("divide", 3, 1)] == [["0", "3", "6"], ["0"]]


@virtual_time
async def test_unread_dead_letters_keep_nobody() -> None:
    env = sage.Environment("letters")
    env.endpoint("divide").flat_map(range).map(lambda v: 6 // v, on_error=sage.DeadLetter()).reply()
    async with asking(env) as hall:
        assert await hall.ask("divide", 3, 1, 0) == [[6, 3], [], []]


@pytest.mark.parametrize("is_async", [False, True])
@virtual_time
async def test_a_retry_counts_the_record_once(is_async: bool) -> None:
    failures = {1: 1, 2: 2, 3: 9}

    def flaky(value: int) -> int:
        if failures.get(value, 0):
            failures[value] -= 1
            raise ConnectionError(value)
        return value

    async def flaky_async(value: int) -> int:
        return flaky(value)

    env = sage.Environment("retry")
    function: Any = flaky_async if is_async else flaky
    env.endpoint("numbers").map(function, on_error=sage.Retry(3)).reply()
    async with asking(env) as hall:
        *good, bad = await hall.ask("numbers", 0, 1, 2, 3)
        assert good == [[0], [1], [2]]
        assert isinstance(bad, ConnectionError)


class Remind(sage.ProcessFunction[int, Any]):
    """Answers again after some time; of odd ones the timer is cancelled, those below 0 set one that is not awaited."""

    def process(self, value: int, ctx: Any) -> None:
        ctx.emit(("now", value))
        timer = ctx.timers.after(10 if value >= 0 else 1_000_000)
        if value % 2:
            timer.cancel()

    def on_timer(self, timestamp: float, ctx: Any) -> None:
        ctx.emit("later")


class RemindAsync(Remind):
    async def process(self, value: int, ctx: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().process(value, ctx)


@pytest.mark.parametrize("function", [Remind, RemindAsync])
@virtual_time
async def test_a_timer_keeps_its_call_until_it_is_due_or_cancelled(function: Any) -> None:
    env = sage.Environment("timers")
    env.endpoint("remind").process(function).reply()
    async with asking(env) as hall:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await hall.ask("remind", 1) == [[("now", 1)]]
        assert loop.time() == begun
        assert await hall.ask("remind", 2, 3) == [[("now", 2), "later"], [("now", 3)]]
        assert loop.time() >= begun + 10


@pytest.mark.parametrize("function", [Remind, RemindAsync])
@virtual_time
async def test_a_timer_of_a_call_that_nobody_reads_is_forgotten(function: Any) -> None:
    env = sage.Environment("timers", admission=sage.Admission(max_requests=1))
    env.endpoint("remind").process(function).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("remind", -2)
        assert await anext(answer) == ("now", -2)
        await answer.aclose()
        await turns()
        assert hall.job.open_calls == 0
        assert await hall.ask("remind", 1) == [[("now", 1)]]


@pytest.mark.parametrize("function", [Remind, RemindAsync])
@virtual_time
async def test_a_drain_waits_for_the_timers_of_calls(function: Any) -> None:
    env = sage.Environment("timers")
    env.endpoint("remind").process(function).reply()
    async with asking(env) as hall:
        answer = hall.job.stream("remind", 2)
        assert await anext(answer) == ("now", 2)
        drained = asyncio.ensure_future(hall.job.drain())
        assert await read(answer) == ["later"]
        await drained


@virtual_time
async def test_sinks_beside_a_reply_are_part_of_the_answer() -> None:
    seen: list[int] = []

    async def slow(value: int) -> None:
        await asyncio.sleep(10)
        seen.append(value)

    env = sage.Environment("sinks")
    numbers = env.endpoint("numbers").flat_map(range)
    numbers.sink(slow)
    numbers.sink(seen.append)
    kept = numbers.collect()
    numbers.reply()
    async with asking(env) as hall:
        assert await hall.ask("numbers", 3) == [[0, 1, 2]]
        assert sorted(seen) == [0, 0, 1, 1, 2, 2]
        assert list(kept) == [0, 1, 2]


@virtual_time
async def test_two_batches_in_a_row_cut_as_in_a_plain_evaluation() -> None:
    env = sage.Environment("cut")
    env.endpoint("n").flat_map(range).batch(4).flat_map(lambda part: part).batch(3).reply()
    async with asking(env) as hall:
        assert await hall.ask("n", 6) == [[[0, 1, 2], [3, 4, 5]]]
