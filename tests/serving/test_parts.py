"""The parts of a server by themselves: stop strings, shapes, buckets, presence, vectors."""

import asyncio
import base64
import json
import struct
import sys
from array import array
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sage.errors import NotAvailable, Overloaded
from sage.serving import Delta, Finish, Rate, ToolCallDelta, Usage, app, openai_app
from sage.serving.choice import Choice
from sage.serving.presence import Message, Presence
from sage.serving.rates import RateLimiter
from sage.serving.shapes import ChatShape, TextShape, usage_of
from sage.serving.stall import Stall
from sage.serving.stops import Stops
from sage.serving.vectors import embed, embeddings_body
from sage.testing import ManualClock, virtual_time
from tests.serving.stand_in import StandIn

TEXT = st.text(alphabet="ab", max_size=12)


@given(pieces=st.lists(TEXT), stops=st.lists(TEXT.filter(bool), max_size=3))
def test_a_text_ends_where_a_stop_string_begins_however_it_comes(pieces: list[str], stops: list[str]) -> None:
    filtered = Stops(stops)
    shown = ""
    for piece in pieces:
        if not filtered.found:
            shown += filtered.feed(piece)
    shown += "" if filtered.found else filtered.flush()
    text = "".join(pieces)
    # Of stop strings that overlap, the one counts that is there whole first, as a reader would see it.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    assert filtered.found == bool(ends)
    if not ends:
        assert shown == text
    else:
        assert text.startswith(shown)
        assert not any(stop in shown for stop in stops)
        assert any(text.startswith(shown + stop) for stop in stops)


def test_nothing_is_held_back_that_cannot_be_a_stop_string() -> None:
    stops = Stops(["###"])
    assert [stops.feed("a"), stops.feed("b#"), stops.feed("#c"), stops.feed("#"), stops.flush()] == [
        *("a", "b", "##c", ""),
        "#",
    ]


def shown(choice: Choice, *records: Any) -> list[Any]:
    return [*choice.take(records), *choice.end()]


def test_why_an_answer_ends() -> None:
    for records, reason in (
        (["a"], "stop"),
        (["a", "b", "c"], "length"),
        (["a", Finish("content_filter"), "b"], "content_filter"),
        (["a", "b", Finish("stop")], "stop"),
        ([Delta(tool_calls=[ToolCallDelta(0, "id", "name")])], "tool_calls"),
    ):
        choice = Choice(max_tokens=2)
        choice.take(records)
        assert choice.finish_reason == reason, records


def test_what_comes_behind_the_end_is_not_shown_but_the_usage_counts() -> None:
    choice = Choice(max_tokens=2)
    assert shown(choice, "a", "b", "c", Usage(completion_tokens=7)) == ["a", "b"]
    assert (choice.ended, choice.completion_tokens, choice.prompt_tokens) == (True, 7, None)
    stopped = Choice(stops=["b"])
    assert shown(stopped, "a", "b", "c") == ["a"]
    assert stopped.finish_reason == "stop"


def test_what_was_held_back_comes_before_a_call_of_a_tool() -> None:
    call = Delta(tool_calls=[ToolCallDelta(0, "id", "name")])
    assert shown(Choice(stops=["##"]), "a#", call) == ["a", "#", call]


def test_a_record_that_cannot_be_shown() -> None:
    with pytest.raises(TypeError, match=r"replied with 3: reply with str, or with Delta, Usage and Finish"):
        Choice().take([3])
    with pytest.raises(ValueError, match=r"Finish\('done'\): write one of 'stop', 'length'"):
        Finish("done")  # type: ignore[arg-type]  # as users without a checker would


@given(piece=st.text())
def test_a_piece_is_an_event_whatever_is_in_it(piece: str) -> None:
    choice = Choice(3)
    for shape, path in ((ChatShape("m", usage=True), ("delta", "content")), (TextShape('a"b\\'), ("text",))):
        event = shape.pieces(choice, [piece], None)
        assert event.startswith(b"data: ")
        assert event.endswith(b"}\n\n")
        assert event.count(b"\n") == 2
        chunk = json.loads(event[6:])
        found: Any = chunk["choices"][0]
        assert (found["index"], found["finish_reason"]) == (3, None)
        for name in path:
            found = found[name]
        assert found == piece


def test_usage_of_several_choices() -> None:
    first, second = Choice(0), Choice(1)
    first.take(["a", "b"])
    second.take(["a", Usage(prompt_tokens=9)])
    assert usage_of([first, second], 4) == {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def test_a_whole_message_with_everything() -> None:
    choice = Choice()
    calls = [ToolCallDelta(1, "b", "two", "{}"), ToolCallDelta(0, "a", "one", "{")]
    pieces = choice.take([Delta(refusal="no", reasoning="why"), Delta(tool_calls=calls), Finish("tool_calls")])
    body = json.loads(ChatShape("m").whole([pieces], [choice], usage_of([choice], 0)))
    message = body["choices"][0]["message"]
    assert (message["content"], message["refusal"], message["reasoning_content"]) == (None, "no", "why")
    assert [(call["id"], call["function"]["name"]) for call in message["tool_calls"]] == [("a", "one"), ("b", "two")]


def limiter(clock: ManualClock, **rate: float) -> RateLimiter:
    return RateLimiter(Rate(**rate), now=clock.now)


def test_tokens_are_reserved_and_given_back() -> None:
    clock = ManualClock()
    rates = limiter(clock, tokens_per_minute=600)
    reserved = rates.reserve("ana", 600)
    with pytest.raises(Overloaded, match="tokens_per_minute=600") as refused:
        rates.reserve("ana", 50)
    assert refused.value.retry_after == pytest.approx(5)
    rates.reserve("bob", 600)  # has a bucket of its own
    reserved.settle(550)
    reserved.settle(0)  # only the first time counts
    rates.reserve("ana", 50)
    clock.advance(6)
    rates.reserve("ana", 60)
    with pytest.raises(Overloaded):
        rates.reserve("ana", 1)


def test_more_than_was_reserved_is_paid_for_later() -> None:
    clock = ManualClock()
    rates = limiter(clock, tokens_per_minute=60)
    rates.reserve("ana", 60).settle(120)
    clock.advance(60)
    with pytest.raises(Overloaded):
        rates.reserve("ana", 1)
    clock.advance(1)
    rates.reserve("ana", 1)


def test_a_request_that_is_refused_for_its_tokens_does_not_count_as_one() -> None:
    rates = limiter(ManualClock(), requests_per_minute=1, tokens_per_minute=10)
    with pytest.raises(Overloaded, match="ask for fewer") as refused:
        rates.reserve("ana", 11)
    assert refused.value.retry_after is None
    rates.reserve("ana", 10)


def test_tenants_that_use_nothing_are_forgotten() -> None:
    clock = ManualClock()
    rates = limiter(clock, requests_per_minute=60)
    for number in range(5000):
        rates.reserve(number, 0)
        clock.advance(1)
    assert len(rates._buckets) < 4200


class Line:
    """A connection from which messages come when the test says so."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        return await self.messages.get()


async def test_a_block_ends_quietly_when_the_client_goes_away() -> None:
    line = Line()
    presence = Presence(line.receive)
    cleaned = []
    async with presence:
        line.messages.put_nowait({"type": "http.request"})  # is no reason
        line.messages.put_nowait({"type": "http.disconnect"})
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # may be awaited: it was cancelled once
            cleaned.append(True)
    assert (presence.lost, cleaned) == ("disconnected", [True])
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_was_cancelled_by_somebody_else_is() -> None:
    async def work() -> None:
        async with Presence(Line().receive):
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


async def test_both_at_once() -> None:
    line = Line()

    async def work() -> None:
        async with Presence(line.receive) as presence:
            presence.lose("stalled")
            presence.lose("disconnected")  # harmless
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_goes_wrong_in_a_block_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Presence(Line().receive):
            raise ZeroDivisionError

    async def broken() -> Message:
        raise ConnectionError("the server is odd")

    with pytest.raises(ConnectionError, match="odd"):
        async with Presence(broken):
            await asyncio.sleep(0)


async def test_vectors_of_any_kind() -> None:
    async def ask(text: str) -> Any:
        return array("d", [len(text), 0.5])

    vectors = await embed(["a", "bb"], ask)
    body = json.loads(embeddings_body("m", vectors, {}, as_base64=True))
    packed = [base64.b64decode(one["embedding"]) for one in body["data"]]
    assert [struct.unpack("<2f", one) for one in packed] == [(1.0, 0.5), (2.0, 0.5)]
    for wrong in ("text", {"a": 1}, [["nested"]]):
        with pytest.raises(TypeError, match="reply with a list of numbers"):
            embeddings_body("m", [wrong], {}, as_base64=False)


def test_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("msgspec", "prometheus_client"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, module, None)
            with pytest.raises(NotAvailable, match=rf'needs {module}: pip install "sage-streams\[serve\]"'):
                app(StandIn({}))
            with pytest.raises(NotAvailable, match="pip install"):
                openai_app(StandIn({}), chat={"m": "e"})


@virtual_time
async def test_one_timer_watches_many_writes() -> None:
    stalled = asyncio.Event()
    stall = Stall(0.02, stalled.set)
    for _ in range(3):
        stall.begin()
        await asyncio.sleep(0.01)
        stall.done()
    assert not stalled.is_set()
    stall.begin()
    await asyncio.wait_for(stalled.wait(), 5)
    stall.close()


async def test_one_text_that_fails_fails_all() -> None:
    async def ask(text: str) -> Any:
        if text == "bad":
            raise LookupError(text)
        await asyncio.Event().wait()

    with pytest.raises(LookupError):
        await embed(["a", "b", "bad"], ask)
