"""The types of programs, as a checker sees them: this file is read by mypy and pyright, and never run.

A comment that ignores an error is a test, too: mypy tells of those that ignore nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import sage
from sage.stream import Collected, ConnectedStreams, FeedbackLoop, RoutedStreams
from sage.stream.records import Records


def pair(value: int) -> Iterator[str]:
    yield str(value)


async def pair_later(value: int) -> AsyncIterator[str]:
    yield str(value)


async def listed_later(value: int) -> list[str]:
    return [str(value)]


async def text_later(value: int) -> str:
    return str(value)


async def len_later(text: str) -> int:
    return len(text)


async def numbers_later() -> AsyncIterator[int]:
    yield 1


def join(text: str, value: int) -> str:
    return text + str(value)


def add(values: set[int], value: int) -> set[int]:
    return values | {value}


class Text(sage.MapFunction[int, str]):
    def map(self, value: int) -> str:
        return str(value)


class Texts(sage.MapFunction[list[int], list[str]]):
    def map(self, value: list[int]) -> list[str]:
        return [str(number) for number in value]


class Either(sage.CoMapFunction[int, str, bool]):
    def map1(self, value: int) -> bool:
        return value > 0

    def map2(self, value: str) -> bool:
        return bool(value)


class Watch(sage.SinkFunction[int]):
    def sink(self, value: int) -> None:
        print(value)


class Letters(sage.FlatMapFunction[int, str]):
    def flat_map(self, value: int) -> Iterator[str]:
        yield from str(value)


class Halves(sage.ProcessFunction[int, float]):
    def process(self, value: int, ctx: Any) -> None:
        ctx.emit(value / 2)


class Numbers(sage.SourceFunction[int]):
    def run(self) -> Iterator[int]:
        yield 1


def sources(env: sage.Environment) -> None:
    assert_type(env.from_iterable([1]), sage.Stream[int])
    assert_type(env.from_iterable("text"), sage.Stream[str])
    assert_type(env.from_iterable(numbers_later()), sage.Stream[int])
    assert_type(env.from_iterable(numbers_later), sage.Stream[int])
    assert_type(env.from_iterable(lambda: [1]), sage.Stream[int])
    assert_type(env.from_source(Numbers()), sage.Stream[int])
    assert_type(env.from_source(Numbers), sage.Stream[int])
    assert_type(env.from_source(sage.sources.ticker(1)), sage.Stream[int])
    assert_type(env.from_source(sage.sources.lines("path")), sage.Stream[str])
    assert_type(env.feedback(), FeedbackLoop[Any])


def steps(stream: sage.Stream[int]) -> None:
    assert_type(stream.map(str), sage.Stream[str])
    assert_type(stream.map(lambda value: value / 2), sage.Stream[float])
    assert_type(stream.map(text_later, concurrency=8, timeout=1.5), sage.Stream[str])
    assert_type(stream.map(Text()), sage.Stream[str])
    assert_type(stream.map(Text), sage.Stream[str])
    assert_type(stream.filter(lambda value: value > 1), sage.Stream[int])
    assert_type(stream.flat_map(pair), sage.Stream[str])
    assert_type(stream.flat_map(pair_later), sage.Stream[str])
    assert_type(stream.flat_map(listed_later), sage.Stream[str])
    assert_type(stream.flat_map(Letters), sage.Stream[str])
    assert_type(stream.inspect(print), sage.Stream[int])
    assert_type(stream.inspect(Watch), sage.Stream[int])
    assert_type(stream.process(Halves), sage.Stream[float])
    assert_type(stream.process(lambda value, ctx: ctx.emit(value)), sage.Stream[Any])
    assert_type(stream.batch(2), sage.Stream[list[int]])
    assert_type(stream.map_batch(lambda values: [str(value) for value in values], 2), sage.Stream[str])
    assert_type(stream.map_batch(Texts(), 2), sage.Stream[str])
    assert_type(stream.take(1).skip(1).throttle(1).rebalance().distinct(), sage.Stream[int])
    assert_type(stream.union(stream), sage.Stream[int])
    assert_type(stream.route(str), RoutedStreams[int])
    assert_type(stream.route(str)["1"], sage.Stream[int])
    assert_type(stream.route(Text()), RoutedStreams[int])
    both = stream.connect(stream.map(str))
    assert_type(both, ConnectedStreams[int, str])
    assert_type(both.map(str, len), sage.Stream[str | int])
    assert_type(both.map(text_later, str.upper), sage.Stream[str])
    assert_type(both.map(float, len_later), sage.Stream[float | int])
    assert_type(both.map(text_later, len_later), sage.Stream[str | int])
    assert_type(both.map(Either), sage.Stream[bool])
    assert_type(both.map(Either()), sage.Stream[bool])
    assert_type(stream.side_output("late"), sage.Stream[Any])


def aggregates(stream: sage.Stream[int]) -> None:
    assert_type(stream.count(), sage.Stream[int])
    assert_type(stream.min(), sage.Stream[int])
    assert_type(stream.reduce(lambda left, right: left + right, emit="end"), sage.Stream[int])
    assert_type(stream.fold("", join), sage.Stream[str])
    assert_type(stream.fold(set, add), sage.Stream[set[int]])
    keyed = stream.key_by(str)
    assert_type(keyed, sage.KeyedStream[str, int])
    assert_type(stream.key_by(Text), sage.KeyedStream[str, int])
    assert_type(keyed.count(), sage.Stream[tuple[str, int]])
    assert_type(keyed.max(), sage.Stream[tuple[str, int]])
    assert_type(keyed.reduce(lambda left, right: left + right), sage.Stream[tuple[str, int]])
    assert_type(keyed.fold("", join), sage.Stream[tuple[str, str]])
    assert_type(keyed.distinct(), sage.Stream[int])
    assert_type(keyed.map(str), sage.Stream[str])


async def results(env: sage.Environment, stream: sage.Stream[int]) -> None:
    assert_type(stream.collect(), Collected[int])
    assert_type(stream.collect().values, list[int])
    assert_type(await stream.to_list(), list[int])
    assert_type(stream.open(), Records[int])
    async with stream.open() as records:
        async for value in records:
            assert_type(value, int)
    async with env.start() as job:
        assert_type(job, sage.Job)
        assert_type(await job.wait(), sage.JobResult)
    assert_type(await env.run(), sage.JobResult)
    assert_type(sage.run(env), sage.JobResult)
    assert_type(sage.context().subtask_index, int)


def mistakes(env: sage.Environment, stream: sage.Stream[int]) -> None:
    sage.Enviroment("misspelt")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    sage.operators.Mpa  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    sage.transports.Chanel  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    sage.run(stream)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.map(len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    stream.map(str, paralelism=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    stream.filter(str, concurrency="8")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.count(emit="last")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.sink(sage.sinks.file("lines"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.sink(len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream.union([1])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    env.from_iterable(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    env.from_iterable(asyncio.sleep(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
