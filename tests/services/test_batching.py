"""Calls gathered into lists."""

import asyncio

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
async def test_stopping_cancels_what_is_gathered() -> None:
    services = environment().services()
    async with services:
        call = asyncio.create_task(services["doubler"].double(1))
        await asyncio.sleep(0)
    await asyncio.wait([call])
    assert call.cancelled()


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(sage.GraphError, match=r"batched\(max_size=0\)"):
        sage.batched(max_size=0)
    with pytest.raises(sage.GraphError, match=r"batched\(max_wait=-1\)"):
        sage.batched(max_wait=-1)
