"""Calls gathered into lists."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import sage
from sage.testing import virtual_time
from tests.services.samples import Doubler, Odd


def environment() -> sage.Environment:
    env = sage.Environment("batching")
    env.register_service("doubler", Doubler)
    return env


@virtual_time
async def test_a_full_list_leaves_at_once_and_a_short_one_when_its_time_is_up() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert await asyncio.gather(*(doubler.double(number) for number in range(6))) == [0, 2, 4, 6, 8, 10]
        assert loop.time() - start == pytest.approx(1.01)
        assert await doubler.seen() == [[0, 1, 2, 3], [4, 5]]


@virtual_time
async def test_one_item_fails_alone() -> None:
    async with environment().services() as services:
        answers = await asyncio.gather(
            *(services["doubler"].double(number) for number in (12, 13, 14)), return_exceptions=True
        )
        assert answers[0] == 24
        assert answers[2] == 28
        assert isinstance(answers[1], Odd)


@virtual_time
async def test_an_item_whose_caller_has_gone_is_taken_out() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]
        calls = [asyncio.create_task(doubler.double(number)) for number in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        assert await calls[0] == 0
        assert await calls[2] == 4
        assert await doubler.seen() == [[0, 2]]


@virtual_time
async def test_work_for_which_nobody_waits_any_more_is_cancelled() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]
        calls = [asyncio.create_task(doubler.double(number)) for number in range(4)]
        await asyncio.sleep(0.5)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await asyncio.sleep(0)
        working = [task for task in asyncio.all_tasks() if task.get_name().startswith("batch of")]
        assert working == []


@virtual_time
async def test_a_deadline_of_one_caller_is_not_that_of_the_list() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]

        async def hurried() -> int:
            with sage.deadline(0.5):
                answer: int = await doubler.double(1)
                return answer

        answers = await asyncio.gather(hurried(), doubler.double(2), return_exceptions=True)
        assert isinstance(answers[0], sage.DeadlineExceeded)
        assert answers[1] == 4


@virtual_time
async def test_a_list_that_fails_fails_all_and_a_wrong_number_of_results_is_told() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]
        answers = await asyncio.gather(doubler.fails(1), doubler.fails(2), return_exceptions=True)
        assert [type(answer) for answer in answers] == [Odd, Odd]
        with pytest.raises(sage.ServiceError, match=r"Doubler.short was given 1 items and gave 0 results"):
            await doubler.short(1)


@virtual_time
async def test_stopping_tells_those_who_wait() -> None:
    services = environment().services()
    async with services:
        calls = [asyncio.create_task(services["doubler"].double(number)) for number in range(6)]
        await asyncio.sleep(0)
    for told in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(told, sage.ServiceUnavailable)
        assert "doubler.double: the service was stopped meanwhile" in str(told)


class Busy(Doubler):
    """Asks itself, in a task of its own."""

    async def start(self) -> None:
        self.asking = [asyncio.ensure_future(self.double(number)) for number in range(6)]

    async def stop(self) -> None:
        told = await asyncio.gather(*self.asking, return_exceptions=True)
        assert [str(error) for error in told] == ["Busy.double: the service was stopped meanwhile"] * 6


@virtual_time
async def test_stopping_tells_the_service_itself() -> None:
    env = sage.Environment("busy")
    env.register_service("busy", Busy)
    async with env.services():
        await asyncio.sleep(0)


@virtual_time
async def test_callers_that_have_gone_do_not_fill_a_list() -> None:
    async with environment().services() as services:
        doubler = services["doubler"]
        gone = [asyncio.create_task(doubler.double(number)) for number in range(3)]
        await asyncio.sleep(0)
        for call in gone:
            call.cancel()
        await asyncio.wait(gone)
        assert await asyncio.gather(*(doubler.double(number) for number in range(4, 8))) == [8, 10, 12, 14]
        assert await doubler.seen() == [[4, 5, 6, 7]]


class Abrupt(BaseException):
    """No `Exception`."""


class Wrong(sage.Service):
    """Methods over lists that do not keep to what they promise."""

    @sage.batched(max_size=3)
    async def same(self, items: list[int]) -> list[Any]:
        error = Odd(1)
        return [error for _ in items]

    @sage.batched(max_size=3)
    async def fails(self, items: list[int]) -> list[int]:
        raise Odd(1)

    @sage.batched(max_size=3)
    async def abrupt(self, items: list[int]) -> list[int]:
        raise Abrupt("now")

    @sage.batched(max_size=3)
    async def stopping(self, items: list[int]) -> list[Any]:
        return [StopIteration("x"), *items[1:]]

    @sage.batched(max_size=3)
    async def cancelled(self, items: list[int]) -> list[int]:
        raise asyncio.CancelledError

    @sage.batched(max_size=3)
    async def other(self, items: list[Any]) -> Any:
        return items[0]

    @sage.batched(max_size=3)
    def sync(self, items: list[int]) -> Any:
        return items


@pytest.fixture
async def wrong() -> AsyncIterator[Any]:
    env = sage.Environment("wrong")
    env.register_service("wrong", Wrong)
    async with env.services() as services:
        yield services["wrong"]


async def asked(method: Any, *items: Any) -> list[Any]:
    return await asyncio.gather(*map(method, items), return_exceptions=True)


@pytest.mark.parametrize("method", ["same", "fails"])
async def test_each_caller_gets_an_error_of_its_own(wrong: Any, method: str) -> None:
    errors = await asked(getattr(wrong, method), 1, 2, 3)
    assert [(type(error), str(error), error.number) for error in errors] == [(Odd, "1 is odd", 1)] * 3
    errors[0].add_note("of the first")
    assert [len(error.__notes__) for error in errors] == [2, 1, 1]


async def test_nobody_hangs_whatever_a_list_ends_with(wrong: Any) -> None:
    assert [type(error) for error in await asked(wrong.abrupt, 1, 2, 3)] == [Abrupt] * 3
    stopped, *others = await asked(wrong.stopping, 1, 2, 3)
    assert isinstance(stopped, RuntimeError)
    assert others == [2, 3]
    for error in await asked(wrong.cancelled, 1, 2, 3):
        assert isinstance(error, sage.ServiceError)
        assert "was cancelled, and not by its callers" in str(error)


@pytest.mark.parametrize("results", [None, {1: 2}, "abc", {1}, (item for item in "abc")])
async def test_what_is_no_list_of_results_is_told(wrong: Any, results: Any) -> None:
    for error in await asked(wrong.other, results, 2, 3):
        assert isinstance(error, sage.ServiceError)
        assert f"returns a list of results, not a {type(results).__name__}" in str(error)


async def test_a_method_that_is_not_async_is_told(wrong: Any) -> None:
    for error in await asked(wrong.sync, 1, 2, 3):
        assert isinstance(error, sage.ServiceError)
        assert "Wrong.sync is @sage.batched and not async" in str(error)


async def test_it_is_called_with_one_item(wrong: Any) -> None:
    for call in (wrong.fails(), wrong.fails(1, 2), wrong.fails(item=1)):
        with pytest.raises(TypeError, match=r"Wrong\.fails is @sage\.batched: it is called with one item"):
            await call


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(sage.GraphError, match=r"batched\(max_size=0\)"):
        sage.batched(max_size=0)
    with pytest.raises(sage.GraphError, match=r"batched\(max_wait=-1\)"):
        sage.batched(max_wait=-1)
