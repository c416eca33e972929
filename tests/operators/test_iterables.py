"""Sources from what Python iterates over."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from sage.operators.errors import InvalidOperator, NotReplayable
from sage.operators.functions import SourceFunction
from sage.operators.iterables import FromFunction, FromIterable
from sage.operators.source import Source
from tests.operators.reading import reading


async def values_of(source: Source[Any], **settings: Any) -> list[Any]:
    async with reading(source, **settings) as read:
        return await read.values()


def numbers() -> Iterator[int]:
    yield from range(10)


async def numbers_later() -> AsyncIterator[int]:
    for number in range(10):
        await asyncio.sleep(0)
        yield number


class Countdown:
    """An iterable that is no iterator."""

    def __init__(self) -> None:
        self.begun = 0

    def __iter__(self) -> Iterator[int]:
        self.begun += 1
        return iter(range(10))


class CountdownLater:
    """An async iterable that is no generator."""

    def __aiter__(self) -> AsyncIterator[int]:
        return numbers_later()


# ---- every kind


@pytest.mark.parametrize(
    "given",
    [
        list(range(10)),
        tuple(range(10)),
        range(10),
        dict.fromkeys(range(10)),
        bytes(range(10)),
        Countdown(),
        CountdownLater(),
        numbers,
        numbers_later,
        lambda: list(range(10)),
        lambda: map(int, "0123456789"),
    ],
    ids=lambda given: getattr(given, "__name__", type(given).__name__),
)
async def test_what_can_be_read_again_gives_the_same_again(given: Any) -> None:
    source = FromIterable(given)
    assert source.replayable
    for _ in range(2):
        assert await values_of(source, batch_size=4) == list(range(10))


@pytest.mark.parametrize(
    "make",
    [numbers, numbers_later, lambda: iter(range(10)), lambda: map(int, "0123456789")],
    ids=["generator", "async generator", "iterator", "map"],
)
async def test_an_iterator_can_be_read_once(make: Callable[[], Any]) -> None:
    source = FromIterable(make())
    assert not source.replayable
    assert await values_of(source) == list(range(10))
    with pytest.raises(NotReplayable, match="give a list, or the function that makes the iterator"):
        source.build()


async def test_nothing_is_read_before_the_run() -> None:
    countdown = Countdown()
    source = FromIterable(countdown)
    assert countdown.begun == 0
    await values_of(source)
    assert countdown.begun == 1


async def test_a_string_is_read_by_character() -> None:
    assert await values_of(FromIterable("abc")) == ["a", "b", "c"]


@pytest.mark.parametrize("given", [[], (), numbers_later, numbers, Countdown()], ids=lambda given: type(given).__name__)
async def test_batches_are_no_longer_than_asked_for(given: Any) -> None:
    async with reading(FromIterable(given), batch_size=3) as read:
        assert max([0, *map(len, await read.batches())]) <= 3


async def test_a_container_gives_full_batches_at_once() -> None:
    async with reading(FromIterable(range(10)), batch_size=4) as read:
        assert await read.batches() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_an_iterator_is_read_a_value_first_then_more() -> None:
    async with reading(FromIterable(numbers())) as read:
        assert await read.batches() == [[0], [1, 2, 3, 4], [5, 6, 7, 8, 9]]


async def test_a_slow_iterator_is_read_value_by_value() -> None:
    async with reading(FromIterable(numbers()), budget=0) as read:
        assert await read.batches() == [[number] for number in range(10)]


async def test_an_async_iterator_gives_what_it_has() -> None:
    more = asyncio.Event()

    async def two_at_once() -> AsyncIterator[int]:
        yield 1
        yield 2
        await more.wait()
        yield 3

    async with reading(FromIterable(two_at_once)) as read:
        assert await read.batch() == [1, 2]
        more.set()
        assert await read.batch() == [3]
        assert await read.batch() == []


async def test_an_async_iterator_waits_for_room() -> None:
    made: list[int] = []

    async def endless() -> AsyncIterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    async with reading(FromIterable(endless), batch_size=4) as read:
        read.start()
        for _ in range(20):
            await asyncio.sleep(0)
        assert made == [0, 1, 2, 3]
        assert await read.batch() == [0, 1, 2, 3]
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(made) == 8


# ---- ends


@pytest.mark.parametrize("as_function", [True, False])
async def test_a_generator_is_closed_when_it_is_left(as_function: bool) -> None:
    closed: list[str] = []

    def plain() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append("plain")

    async def later() -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append("async")

    async with reading(FromIterable(plain if as_function else plain()), batch_size=4) as read:
        assert await read.batch() == [0]
    async with reading(FromIterable(later if as_function else later()), batch_size=4) as read:
        assert await read.batch() == [0, 1, 2, 3]
    assert closed == ["plain", "async"]


class Lines(io.StringIO):
    """An iterator that is no generator, and can be closed."""


class LinesLater:
    def __init__(self) -> None:
        self.closed = False

    def __aiter__(self) -> "LinesLater":
        return self

    async def __anext__(self) -> str:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("lines", [Lines(), LinesLater()])
async def test_what_was_given_stays_open_and_what_was_made_is_closed(lines: Lines | LinesLater) -> None:
    assert await values_of(FromIterable(lines)) == []
    assert not lines.closed
    assert await values_of(FromIterable(lambda: lines)) == []
    assert lines.closed


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_was_made_before_a_failure_is_kept(is_async: bool) -> None:
    def plain() -> Iterator[int]:
        yield from range(7)
        raise ConnectionError("gone")

    async def later() -> AsyncIterator[int]:
        for number in plain():
            yield number

    found: list[int] = []
    async with reading(FromIterable(later if is_async else plain)) as read:
        with pytest.raises(ConnectionError, match="gone"):
            while batch := await read.batch():
                found += batch
    assert found == list(range(7))


# ---- function classes


class Watched(SourceFunction[int]):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def open(self, context: Any) -> None:
        self.events.append(f"open {self.name}")

    def run(self) -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            self.events.append("left")

    def close(self) -> None:
        self.events.append("close")


class WatchedLater(Watched):
    async def run(self) -> AsyncIterator[int]:  # type: ignore[override]  # the contract allows either
        try:
            for number in range(10):
                yield number
        finally:
            self.events.append("left")


@pytest.mark.parametrize("kind", [Watched, WatchedLater])
async def test_a_source_class_is_opened_read_and_closed(kind: type[Watched]) -> None:
    watched = kind()
    source = FromFunction(watched)
    assert source.label == kind.__name__
    assert await values_of(source) == list(range(10))
    assert watched.events == ["open source", "left", "close"]


@pytest.mark.parametrize("kind", [Watched, WatchedLater])
async def test_a_source_class_that_is_left_is_closed_behind_its_generator(kind: type[Watched]) -> None:
    watched = kind()
    async with reading(FromFunction(watched), batch_size=1) as read:
        assert await read.batch() == [0]
    assert watched.events == ["open source", "left", "close"]


async def test_a_class_is_made_anew_for_each_run() -> None:
    source = FromFunction(Watched)
    assert await values_of(source) == await values_of(source) == list(range(10))


async def test_a_source_that_cannot_be_opened_is_closed() -> None:
    class Unreachable(Watched):
        async def open(self, context: Any) -> None:
            raise ConnectionError("unreachable")

    watched = Unreachable()
    with pytest.raises(ConnectionError):
        await values_of(FromFunction(watched))
    assert watched.events == ["close"]


# ---- mistakes


async def no_generator() -> list[int]:
    return [1]


class NoGenerator(SourceFunction[int]):
    async def run(self) -> list[int]:  # type: ignore[override]  # the mistake
        return [1]


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (FromIterable, 5, "cannot be iterated; give a list"),
        (FromIterable, lambda value: [value], "cannot be called"),
        (FromIterable, no_generator, "no_generator is async but does not yield"),
        (FromFunction, NoGenerator, "NoGenerator is async but does not yield"),
        (FromFunction, numbers, "write from_iterable"),
        (FromFunction, SourceFunction, "does not define run"),
    ],
)
def test_mistakes_are_refused(kind: Any, given: Any, message: str) -> None:
    with pytest.raises(InvalidOperator, match=message):
        kind(given)


async def test_a_function_that_makes_no_iterable_is_told() -> None:
    with pytest.raises(InvalidOperator, match="made 5, a int, which cannot be iterated; return a list"):
        await values_of(FromIterable(lambda: 5))  # type: ignore[arg-type,return-value]  # the mistake
    with pytest.raises(InvalidOperator, match=r"returned something to await \(coroutine\)"):
        await values_of(FromIterable(lambda: asyncio.sleep(0)))  # type: ignore[arg-type,return-value]  # the mistake
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(InvalidOperator, match=r"returned something to await \(_?Future\)"):
        await values_of(FromIterable(lambda: never))
    with pytest.raises(InvalidOperator, match=r"is a _?Future, which cannot be iterated"):
        FromIterable(never)
