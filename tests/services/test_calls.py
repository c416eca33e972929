"""The way of a call: found, limited, tried again, given up, and told of."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import sage
from sage.testing import assert_nothing_left, virtual_time
from tests.services.samples import Echo, Odd

PLACES = ["inproc", "zmq"]


def environment(**options: Any) -> sage.Environment:
    env = sage.Environment("calls")
    env.register_service("echo", Echo, **options)
    return env


async def noted(echo: Any, entry: str) -> None:
    """Return when the service has noted `entry`; each look is a call behind what was told before."""

    async def has() -> bool:
        return entry in await echo.history()

    async with asyncio.timeout(60):
        while not await has():
            await asyncio.sleep(0)  # only asking tells


async def cut_short(echo: Any, call: Callable[[], Awaitable[Any]]) -> None:
    """Have a call ended by its deadline while the service works on it; on a slow machine it takes more than one."""
    seconds = 0.05
    while "began" not in await echo.history():
        seconds *= 2
        with pytest.raises(TimeoutError), sage.deadline(seconds):
            await call()


@pytest.mark.parametrize("place", PLACES)
async def test_a_service_answers_streams_and_keeps_the_type_of_its_errors(place: str) -> None:
    async with assert_nothing_left(), environment(place=place, prefix="> ").services() as services:
        echo = services["echo"]
        assert await echo.say("hello") == "> hello"
        assert await echo.say(text="hello") == "> hello"
        assert [number async for number in echo.count(1000)] == list(range(1000))
        with pytest.raises(ValueError, match="from the service") as known:
            await echo.wrong()
        assert any("echo.wrong" in note for note in known.value.__notes__)
        with pytest.raises(Odd, match="3 is odd") as own:
            await echo.even(3)
        assert own.value.number == 3
        assert any("echo.even" in note for note in own.value.__notes__)
        with pytest.raises(TypeError, match="unexpected"):
            await echo.say(texts="hello")


@pytest.mark.parametrize("place", PLACES)
async def test_a_cancelled_call_is_cancelled_at_the_service(place: str) -> None:
    async with assert_nothing_left(), environment(place=place).services() as services:
        echo = services["echo"]
        call = asyncio.create_task(echo.slow(60))
        await noted(echo, "began")
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        await noted(echo, "cancelled")


@pytest.mark.parametrize("place", PLACES)
async def test_leaving_a_stream_closes_it_at_the_service(place: str) -> None:
    async with environment(place=place).services() as services:
        echo = services["echo"]
        stream = echo.count(1_000_000)
        assert await anext(stream) == 0
        await stream.aclose()
        await noted(echo, "closed")


@pytest.mark.parametrize("place", PLACES)
async def test_what_cannot_be_called_is_refused_with_what_can(place: str) -> None:
    async with environment(place=place).services() as services:
        for name in ("missing", "_private", "start", "health", "helper"):
            with pytest.raises(sage.UnknownMethod, match=rf"{name}.*count, even, .*say"):
                await getattr(services["echo"], name)()
        with pytest.raises(sage.UnknownMethod, match=r"echo.count answers with a stream of values: write async for"):
            await services.call("echo", "count", 3)
        assert dir(services["echo"]) == ["count", "even", "history", "replica", "say", "slow", "wrong"]
        assert repr(services["echo"]).startswith("<service 'echo': count, ")


@virtual_time
async def test_a_deadline_ends_what_is_below_it() -> None:
    async with environment().services() as services:
        echo = services["echo"]
        with pytest.raises(TimeoutError, match=r"the deadline of 2 s has passed"), sage.deadline(2):
            await echo.slow(60)
        assert await echo.history() == ["start", "began", "cancelled"]
        with sage.deadline(5):
            assert await echo.slow(1) == 1
        with pytest.raises(sage.DeadlineExceeded), sage.deadline(1), sage.deadline(60):  # the earlier one counts
            await echo.slow(30)


@virtual_time
async def test_a_call_whose_deadline_has_passed_does_not_begin() -> None:
    async with environment().services() as services:
        late = r"echo.say: the deadline has passed already"
        with pytest.raises(sage.DeadlineExceeded, match=late), sage.deadline(0):
            await services["echo"].say("too late")


async def test_a_deadline_goes_along_to_another_process() -> None:
    async with environment(place="zmq").services() as services:
        echo = services["echo"]
        await cut_short(echo, lambda: echo.slow(3600))
        await noted(echo, "cancelled")


@virtual_time
async def test_a_timeout_covers_waiting_and_work() -> None:
    async with environment(timeout=2, max_concurrency=1).services() as services:
        echo = services["echo"]
        first = asyncio.create_task(echo.slow(1.5))
        await asyncio.sleep(0)
        with pytest.raises(sage.DeadlineExceeded, match=r"echo.slow did not answer within timeout=2 s"):
            await echo.slow(1.5)
        assert await first == 1.5


@virtual_time
async def test_calls_beyond_the_limits_are_refused_and_a_cancelled_one_frees_its_place() -> None:
    async with environment(max_concurrency=1, max_queue=1).services() as services:
        echo = services["echo"]
        running, waiting = asyncio.create_task(echo.slow(1)), asyncio.create_task(echo.slow(2))
        await asyncio.sleep(0.5)
        with pytest.raises(sage.Overloaded, match=r"max_concurrency=1\) and 1 wait \(max_queue=1\)"):
            await echo.say("refused")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await echo.say("let in") == "let in"
        assert await running == 1


@virtual_time
async def test_no_more_calls_begin_in_a_second_than_may() -> None:
    async with environment(rate=100).services() as services:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await asyncio.gather(*(services["echo"].say("x") for _ in range(105)))
        # A hundred at once, and five more, each a hundredth of a second later.
        assert loop.time() - start == pytest.approx(0.05)


class Flaky(sage.Service):
    """Fails a number of times, then works."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    async def ask(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise OSError("not now")
        return self.calls

    async def items(self, before: int) -> Any:
        self.calls += 1
        for number in range(before):
            yield number
        if self.left:
            self.left -= 1
            raise OSError("not now")
        yield self.calls


@virtual_time
async def test_a_failed_call_is_tried_again() -> None:
    env = sage.Environment("retry")
    env.register_service("flaky", Flaky, 2, retry=sage.Retry(attempts=3, delay=0.5))
    async with env.services() as services:
        assert await services["flaky"].ask() == 3
        assert services.statistics()["flaky"].retries == 2


class Endless(sage.Service):
    """Counts how often it is asked, and never answers."""

    asked = 0

    async def ask(self) -> None:
        Endless.asked += 1
        await asyncio.Event().wait()


@virtual_time
@pytest.mark.parametrize("ending", ["cancel", "deadline"])
async def test_a_call_that_is_given_up_is_not_tried_again(ending: str) -> None:
    env = sage.Environment("given up")
    env.register_service("endless", Endless, retry=sage.Retry(attempts=3, delay=0.5))
    Endless.asked = 0
    async with env.services() as services:
        if ending == "deadline":
            with pytest.raises(sage.DeadlineExceeded), sage.deadline(1):
                await services["endless"].ask()
        else:
            call = asyncio.create_task(services["endless"].ask())
            await asyncio.sleep(1)
            call.cancel()
            await asyncio.wait([call], timeout=10)
            assert call.cancelled()
        await asyncio.sleep(10)
    assert Endless.asked == 1


@virtual_time
async def test_the_last_failure_is_raised() -> None:
    env = sage.Environment("retry")
    env.register_service("flaky", Flaky, 5, retry=sage.Retry(attempts=2, delay=0.5))
    async with env.services() as services:
        with pytest.raises(OSError, match="not now"):
            await services["flaky"].ask()
        assert services.statistics()["flaky"].failures == 1


@virtual_time
async def test_a_stream_is_tried_again_until_its_first_item_and_not_behind_it() -> None:
    env = sage.Environment("retry")
    env.register_service("flaky", Flaky, 1, retry=sage.Retry(attempts=3, delay=0.5))
    async with env.services() as services:
        assert [item async for item in services["flaky"].items(0)] == [2]
    async with env.services() as services:
        got = []
        with pytest.raises(OSError, match="not now"):
            async for item in services["flaky"].items(2):
                got.append(item)  # noqa: PERF401  # what came before the failure
        assert got == [0, 1]


@virtual_time
async def test_a_service_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    env = sage.Environment("breaker")
    env.register_service("flaky", Flaky, 3, breaker=sage.Breaker(failures=2, reset=10))
    async with env.services() as services:
        flaky = services["flaky"]
        for _ in range(2):
            with pytest.raises(OSError, match="not now"):
                await flaky.ask()
        with pytest.raises(sage.CircuitOpen, match=r"failed 2 times in a row; it is tried again in 10 s"):
            await flaky.ask()
        await asyncio.sleep(10)
        with pytest.raises(OSError, match="not now"):  # let through to try
            await flaky.ask()
        with pytest.raises(sage.CircuitOpen):
            await flaky.ask()
        await asyncio.sleep(10)
        assert await flaky.ask() == 4
        assert await flaky.ask() == 5


@virtual_time
async def test_a_cancelled_trial_tells_nothing() -> None:
    env = sage.Environment("breaker")
    env.register_service("echo", Echo, breaker=sage.Breaker(failures=1, reset=1))
    async with env.services() as services:
        echo = services["echo"]
        with pytest.raises(ValueError, match="from the service"):
            await echo.wrong()
        await asyncio.sleep(1)
        trial = asyncio.create_task(echo.slow(60))
        await asyncio.sleep(0)
        with pytest.raises(sage.CircuitOpen, match="when the call that is under way has succeeded"):
            await echo.say("x")
        trial.cancel()
        await asyncio.wait([trial])
        assert await echo.say("x") == "x"


@virtual_time
async def test_calls_that_do_not_answer_in_time_open_the_breaker_and_impatient_callers_do_not() -> None:
    env = sage.Environment("silent")
    env.register_service("endless", Endless, timeout=1, breaker=sage.Breaker(failures=2, reset=10))
    async with env.services() as services:
        for _ in range(3):
            with pytest.raises(sage.DeadlineExceeded), sage.deadline(0.5):
                await services["endless"].ask()
        for _ in range(2):
            with pytest.raises(sage.DeadlineExceeded, match="timeout=1 s"):
                await services["endless"].ask()
        with pytest.raises(sage.CircuitOpen):
            await services["endless"].ask()


@virtual_time
async def test_a_call_that_gives_up_in_the_moment_of_its_turn_is_told_so() -> None:
    async with environment(max_concurrency=1, timeout=1.5).services() as services:
        calls = [services["echo"].slow(1) for _ in range(3)]  # the second and the third give up together
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
        assert first == 1
        assert [type(other) for other in others] == [sage.DeadlineExceeded] * 2
        assert await services["echo"].say("x") == "x"


def test_a_retry_that_would_set_records_aside_is_refused() -> None:
    with pytest.raises(sage.GraphError, match=r"then=DeadLetter\(\) is for operators"):
        environment(retry=sage.Retry(then=sage.DeadLetter()))
