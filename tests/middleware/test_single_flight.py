"""The cache that asks equal questions once."""

import asyncio
from collections.abc import Callable

import pytest

import sage
from sage.middleware import SingleFlightCache
from sage.testing import assert_nothing_left, virtual_time


class Source:
    """Answers after a second, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []

    async def ask(self, question: str) -> str:
        self.asked.append(question)
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cancelled.append(question)
            raise
        if question.startswith("bad"):
            raise LookupError(question)
        return question.upper()


@virtual_time
async def test_equal_questions_are_asked_once() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask)
    answers = await asyncio.gather(*(cache.get(question) for question in "abaab"))
    assert (answers, source.asked) == (["A", "B", "A", "A", "B"], ["a", "b"])
    assert await cache.get("a") == "A"
    assert vars(cache.statistics) == {"hits": 1, "joins": 3, "misses": 2, "evictions": 0}


@virtual_time
async def test_the_first_asker_may_go() -> None:
    async with assert_nothing_left():
        source = Source()
        cache = SingleFlightCache(source.ask)
        first, second = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second == "A"
        assert first.cancelled()
        assert source.asked == ["a"]


@virtual_time
async def test_with_the_last_asker_the_question_is_given_up_and_may_be_asked_anew() -> None:
    async with assert_nothing_left():
        source = Source()
        cache = SingleFlightCache(source.ask)
        askers = [asyncio.create_task(cache.get("a")) for _ in range(2)]
        await asyncio.sleep(0.5)
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
        assert await cache.get("a") == "A"
        assert (source.asked, source.cancelled) == (["a", "a"], ["a"])


@virtual_time
async def test_the_deadline_of_the_first_is_not_that_of_the_others() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask)

    async def hurried() -> str:
        with sage.deadline(0.5):
            return await cache.get("a")

    answers = await asyncio.gather(hurried(), cache.get("a"), return_exceptions=True)
    assert isinstance(answers[0], sage.DeadlineExceeded)
    assert answers[1] == "A"


@virtual_time
async def test_failures_are_told_to_all_and_not_kept() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask)
    answers = await asyncio.gather(cache.get("bad"), cache.get("bad"), return_exceptions=True)
    assert all(isinstance(answer, LookupError) for answer in answers)
    with pytest.raises(LookupError):
        await cache.get("bad")
    assert (source.asked, len(cache)) == (["bad", "bad"], 0)


@virtual_time
async def test_the_ones_used_last_are_kept() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask, max_entries=2)
    for question in "abac":
        await cache.get(question)
    assert source.asked == ["a", "b", "c"]
    await cache.get("a")
    await cache.get("b")
    assert source.asked == ["a", "b", "c", "b"]
    assert (len(cache), cache.statistics.evictions) == (2, 2)


@virtual_time
async def test_by_their_size() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask, max_bytes=5, size=len)
    for question in ("aa", "bb", "cc", "too long", "cc"):
        await cache.get(question)
    assert source.asked == ["aa", "bb", "cc", "too long"]
    assert (len(cache), cache.size) == (2, 4)


@virtual_time
async def test_none_are_kept_if_none_may() -> None:
    source = Source()
    cache = SingleFlightCache(source.ask, max_entries=0)
    assert list(await asyncio.gather(cache.get("a"), cache.get("a"))) == ["A", "A"]
    await cache.get("a")
    assert (source.asked, len(cache)) == (["a", "a"], 0)


@virtual_time
async def test_closing_tells_those_who_wait() -> None:
    async with assert_nothing_left():
        source = Source()
        cache = SingleFlightCache(source.ask)
        asker = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0.5)
        await cache.aclose()
        with pytest.raises(sage.ServiceUnavailable, match="the cache was closed"):
            await asker
        assert source.cancelled == ["a"]


@pytest.mark.parametrize(
    "make",
    [lambda ask: SingleFlightCache(ask, max_entries=-1), lambda ask: SingleFlightCache(ask, max_bytes=5)],
)
async def test_what_cannot_be_is_refused(make: Callable[[Callable[..., object]], object]) -> None:
    with pytest.raises(sage.GraphError, match="SingleFlightCache"):
        make(Source().ask)
