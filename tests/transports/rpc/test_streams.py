"""Answers that stream: order, credit, ends."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from sage.transports import CodecError
from sage.transports.rpc import ClosedRpc, ConnectionLost, DeadlineExceeded, WrongCall
from tests.transports.rpc.served import Probe, served, until


@pytest.mark.parametrize("window", [1, 3, 256])
async def test_items_come_in_order(window: int) -> None:
    probe = Probe()
    async with served(probe.methods()) as (server, client):
        async with client.stream("count", 1000, window=window) as items:
            assert [item async for item in items] == list(range(1000))
        assert server.statistics().running == 0
    assert probe.closed == 1


async def test_plain_and_other_items_keep_their_order() -> None:
    made = [1, [2], "three", "vier", "fünf", (6,), b"7" * 5000, None, "x" * 5000, 10]

    async def mixed() -> AsyncGenerator[Any, None]:
        for item in made:
            yield item

    async with served({"mixed": mixed}) as (_, client), client.stream("mixed") as items:
        assert [item async for item in items] == made


async def test_an_item_that_changes_after_it_was_yielded_is_sent_as_it_was() -> None:
    async def growing() -> AsyncGenerator[list[int], None]:
        item: list[int] = []
        for number in range(3):
            item.append(number)
            yield item

    async with served({"growing": growing}) as (_, client), client.stream("growing") as items:
        assert [item async for item in items] == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize("window", [1, 8, 100])
async def test_the_method_stops_when_the_window_is_full(window: int) -> None:
    probe = Probe()
    methods = {**probe.methods(), "add": lambda: 1}
    async with served(methods) as (_, client), client.stream("count", 1000, window=window) as items:
        await until(lambda: probe.made == window)
        for _ in range(5):
            assert await client.call("add") == 1
        assert probe.made == window
        assert [await anext(items) for _ in range(window)] == list(range(window))
        await until(lambda: probe.made == 2 * window)


async def test_a_slow_reader_holds_up_nobody_else() -> None:
    probe = Probe()
    async with served(probe.methods(), max_concurrency=1) as (server, client):
        async with client.stream("count", 1000, window=4) as slow:
            await until(lambda: probe.made == 4)
            async with client.stream("count", 500) as quick:
                assert [item async for item in quick] == list(range(500))
            assert [await anext(slow) for _ in range(10)] == list(range(10))
        await until(lambda: server.statistics().running == 0)
    assert probe.closed == 2


async def test_leaving_early_closes_the_generator() -> None:
    probe = Probe()
    async with served(probe.methods()) as (server, client):
        async with client.stream("count", 10**9, window=10) as items:
            async for item in items:
                if item == 25:
                    break
        await until(lambda: probe.closed == 1)
        assert server.statistics().running == 0
        with pytest.raises(ClosedRpc, match="was left"):
            await anext(items)


async def test_leaving_early_closes_a_generator_that_waits_for_its_reader() -> None:
    probe = Probe()
    async with served(probe.methods(), max_concurrency=1) as (server, client):
        async with client.stream("count", 10**9, window=2):
            await until(lambda: probe.made == 2)
        await until(lambda: probe.closed == 1)
        assert server.statistics().running == 0


async def test_cancelling_the_reader_closes_the_generator() -> None:
    waiting = asyncio.Event()
    closed = asyncio.Event()

    async def one_and_no_more() -> AsyncGenerator[int, None]:
        try:
            yield 1
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with served({"one": one_and_no_more}) as (server, client):

        async def read() -> None:
            async with client.stream("one") as items:
                async for _ in items:
                    pass

        reader = asyncio.create_task(read())
        await waiting.wait()
        reader.cancel()
        await closed.wait()
        await until(lambda: server.statistics().running == 0)
        assert reader.cancelled()


async def test_an_error_comes_behind_the_items_before_it() -> None:
    async def some() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ValueError("no third")

    async with served({"some": some}) as (_, client), client.stream("some") as items:
        assert [await anext(items), await anext(items)] == [1, 2]
        with pytest.raises(ValueError, match="no third") as caught:
            await anext(items)
        assert "raised by 'some'" in caught.value.__notes__[0]


async def test_an_item_that_cannot_be_carried_ends_the_stream() -> None:
    closed = asyncio.Event()

    async def some() -> AsyncGenerator[object, None]:
        try:
            yield 1
            yield object()
            yield 3
        finally:
            closed.set()

    async with served({"some": some}) as (_, client), client.stream("some") as items:
        assert await anext(items) == 1
        with pytest.raises(CodecError, match="object"):
            await anext(items)
        await closed.wait()


async def test_a_deadline_covers_the_last_item() -> None:
    async def ticks() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.Event().wait()

    got: list[int] = []
    seconds = 0.02
    async with served({"ticks": ticks}) as (server, client):
        while not got:  # a machine that stood still until the deadline is given more
            seconds *= 2
            async with client.stream("ticks", timeout=seconds) as items:
                with pytest.raises(DeadlineExceeded):
                    while True:
                        got.append(await anext(items))
        assert got == [1]
        await until(lambda: server.statistics().running == 0)


async def test_a_coroutine_may_return_the_iterator() -> None:
    probe = Probe()

    async def prepared(end: int) -> AsyncGenerator[int, None]:
        return probe.count(end)

    async with served({"prepared": prepared}) as (_, client), client.stream("prepared", 3) as items:
        assert [item async for item in items] == [0, 1, 2]


async def test_one_answer_cannot_be_streamed() -> None:
    async with served({"one": lambda: 1}) as (_, client), client.stream("one") as items:
        with pytest.raises(WrongCall, match=r"client\.call"):
            await anext(items)


async def test_a_generator_that_never_waits_lets_others_run() -> None:
    probe = Probe()
    methods = {**probe.methods(), "add": lambda: 1}
    async with served(methods) as (_, client), client.stream("count", 10**9, window=65_536):
        await until(lambda: probe.made > 0)
        asked, turns = asyncio.create_task(client.call("add")), 0
        while probe.made < 65_536:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 1  # in one stretch it would have filled the window before
        assert await asked == 1


@pytest.mark.parametrize("window", [0, -1, 65_537])
async def test_windows_that_cannot_be_are_refused(window: int) -> None:
    async with served({}) as (_, client):
        with pytest.raises(ValueError, match="window: from 1 to 65536"):
            client.stream("x", window=window)


async def test_misuse_is_told() -> None:
    probe = Probe()
    async with served(probe.methods()) as (_, client):
        stream = client.stream("count", 3)
        with pytest.raises(ClosedRpc, match="enter the stream"):
            await anext(stream)
        async with stream:
            with pytest.raises(ClosedRpc, match="entered once"):
                await stream.__aenter__()


async def test_closing_the_server_ends_streams_behind_their_items() -> None:
    probe = Probe()
    async with served(probe.methods()) as (server, client), client.stream("count", 10**9, window=4) as items:
        await until(lambda: probe.made == 4)
        assert await anext(items) == 0
        await server.aclose()
        assert probe.closed == 1
        assert [await anext(items) for _ in range(3)] == [1, 2, 3]
        with pytest.raises(ConnectionLost):
            while True:
                await anext(items)
