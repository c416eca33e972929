"""The benchmarks of serving run whole, with tiny sizes. No test depends on how long anything takes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec

import pytest

from benchmarks import __main__ as command
from benchmarks.measure import WrongResult
from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.serving import latency, over_http, overload, peers, slow, storm, tokens
from benchmarks.serving.arrivals import Seen, poisson
from benchmarks.serving.catalogue import SERVING
from benchmarks.serving.clients import chat_request, connect
from benchmarks.serving.in_process import LARGE, SAGE, SMALL, WAYS
from benchmarks.serving.streams import OpenAnswer, Streams, all_words, measured
from benchmarks.transports.stage import Stage

TINY = Plan(pairs=1, quick=True)

BETWEEN_PROCESSES: dict[str, Callable[[Plan, Stage], Outcome]] = {
    "serving.http": over_http.compare,
    "serving.latency": latency.compare,
    "serving.slow": slow.compare,
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Two processes for all: starting them takes longest."""
    with Stage(deadline=300) as stage:
        yield stage


def is_sane(outcome: Outcome) -> bool:
    """Every row has what its columns promise, and every number is one that a measurement can give."""
    keys = {column.key for column in outcome.columns}
    numbers = [value for row in outcome.rows for value in row.values() if not isinstance(value, str)]
    return (
        len(outcome.rows) > 0
        and all(row.keys() <= keys for row in outcome.rows)
        and all(-1e3 < number < 1e12 for number in numbers)
        and all(float(row[outcome.chart.key]) >= 0 for row in outcome.rows)
    )


def test_tokens_in_one_process() -> None:
    outcome = tokens.compare(TINY, [Streams(3, 6, 5), Streams(1, 2, 5)])
    assert is_sane(outcome)
    assert [(row["way"], row["streams"]) for row in outcome.rows] == [
        (way, streams) for streams in (3, 1) for way in (LARGE, SAGE, SMALL)
    ]
    assert outcome.rows[0]["speed"] == 1.0
    assert [(row["way"], row["streams"], goal.key) for goal, row, _ in outcome.judged()] == [
        (SAGE, 3, "speed"),
        (SAGE, 3, "first_times"),
    ]


@pytest.mark.filterwarnings("default")  # what peers warn of is theirs
def test_peers_do_it_too_or_a_note_says_why_not() -> None:
    outcome = tokens.compare(Plan(pairs=1, quick=True, peers=True), [Streams(2, 2, 3)])
    assert is_sane(outcome)
    ways = {row["way"] for row in outcome.rows}
    for module, way, package in (
        ("langchain_core", "LangChain LCEL", "langchain-core"),
        ("pipecat", "Pipecat", "pipecat-ai"),
    ):
        assert (way in ways) == (find_spec(module) is not None)
        assert (f"{package}: not installed; pip install {package}" in outcome.notes) == (way not in ways)


def test_a_peer_that_does_something_else_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    assert peers.peer_ways()[0] == {}
    monkeypatch.setattr(tokens, "peer_ways", lambda: ({"loser": lambda: _Loser()}, []))
    outcome = tokens.compare(Plan(pairs=1, quick=True, peers=True), [Streams(2, 2, 3)])
    assert "loser" not in {row["way"] for row in outcome.rows}
    assert any(note.startswith("loser: left out, its result is wrong") for note in outcome.notes)


class _Loser:
    """Answers with one token less."""

    async def __aenter__(self) -> OpenAnswer:
        async def answer(count: int) -> AsyncIterator[str]:
            for word in all_words(count - 1):
                yield word.upper() + "!"

        return answer

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("way", WAYS)
async def test_all_ways_answer_with_all_tokens_in_order(way: str) -> None:
    async with WAYS[way]() as open_answer:
        assert [token async for token in open_answer(3)] == [" WORD 0!", " WORD 1!", " WORD 2!"]
        figures = await measured(Streams(2, 5, 4), open_answer)
    assert figures.per_second > 0
    assert figures.first_p99_ms >= figures.first_p50_ms > 0


async def test_an_answer_that_is_not_right_is_refused() -> None:
    with pytest.raises(WrongResult, match="an answer of 3 tokens"):
        await measured(Streams(1, 1, 4), await _Loser().__aenter__())


@pytest.mark.parametrize("name", BETWEEN_PROCESSES)
def test_between_two_processes(name: str, stage: Stage) -> None:
    outcome = BETWEEN_PROCESSES[name](TINY, stage)
    assert outcome.name == name
    assert is_sane(outcome)
    assert not [note for note in outcome.notes if "LEFT OUT" in note]
    assert "sage" in {str(row["way"]).split()[0] for row in outcome.rows}


def test_overload_tells_of_refusals(stage: Stage) -> None:
    outcome = overload.compare(TINY, stage)
    assert is_sane(outcome)
    refused = {(row["way"], row["load"]): row["refused"] for row in outcome.rows}
    assert float(refused["sage", 3.0]) > 0 == refused["no admission", 3.0]
    assert {goal.key for goal, _, _ in outcome.judged()} == {"of_best", "refused_p99_ms"}


def test_a_storm_in_all_windows() -> None:
    outcome = storm.compare(TINY, times=1)
    assert is_sane(outcome)
    windows = ["queued", "before the first token", "mid-stream", "blocked in send", "not streaming"]
    assert [row["window"] for row in outcome.rows] == windows
    assert [row["left"] for row in outcome.rows] == [0] * 5
    assert [row["clients"] for row in outcome.rows] == [20] * 5


def test_names_and_their_group() -> None:
    assert set(SERVING) <= command.BENCHMARKS.keys()
    assert command.GROUPS["serving"] == tuple(SERVING)


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.serving.storm")
    monkeypatch.delitem(sys.modules, "benchmarks.serving.host")
    monkeypatch.setitem(sys.modules, "uvicorn", None)  # as if it were not there
    (outcome,) = SERVING["serving.storm"](TINY)
    assert outcome.notes == ['uvicorn: not installed; pip install "sage-streams[serve]"']


def test_requests_come_when_they_come() -> None:
    times = poisson(100.0, 2.0, seed=1)
    assert times == sorted(times)
    assert times == poisson(100.0, 2.0, seed=1) != poisson(100.0, 2.0, seed=2)
    assert 150 < len(times) < 250
    assert times[0] == 0 < times[-1] < 2


def test_tokens_are_found_wherever_the_bytes_are_cut() -> None:
    data = b'data: {"content":"@1.500000,2.250000;xxx"}\n\ndata: {"content":"@1.500000,2.500000;"}\n\n'
    for cut in range(len(data)):
        seen = Seen(1.0)
        seen.take(3.0, data[:cut])
        seen.take(4.0, data[cut:])
        assert [stamp.due for stamp, _ in seen.tokens] == [2.25, 2.5]
        assert seen.gaps in ([0.0], [1.0])


@pytest.mark.parametrize("cut", [1, 20, 45, 60, 70, -1])
async def test_the_end_of_an_answer_is_found_wherever_the_bytes_are_cut(cut: int) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    sized = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 7\r\n\r\nnot now"
    answers = iter([chunked, sized])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for whole in answers:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(chat_request("1").partition(b"\r\n\r\n")[2]))
            writer.write(whole[:cut])
            await writer.drain()
            await asyncio.sleep(0.001)
            writer.write(whole[cut:])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = await connect(server.sockets[0].getsockname()[1])
        taken: list[bytes] = []
        answer = await client.ask(chat_request("1"), lambda _, data: taken.append(data))
        assert (answer.status, b"".join(taken)) == (200, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        assert (await client.ask(chat_request("1"))).status == 429
        with pytest.raises(ConnectionError):
            await client.ask(chat_request("1"))
