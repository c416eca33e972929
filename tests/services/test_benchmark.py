"""The benchmark of services runs whole, with tiny sizes. No test depends on how long anything takes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.services import comparison, run
from benchmarks.services.peers import PEERS, Peer
from benchmarks.services.subject import Called
from benchmarks.services.timing import at_once, each, read


def figures(outcome: Outcome, way: str) -> dict[object, float]:
    """The microseconds of one way, by work."""
    return {row["work"]: float(row["us"]) for row in outcome.rows if row["way"] == way}


def test_both_places_do_all_works_beside_their_floors() -> None:
    (outcome,) = run(Plan(pairs=1, quick=True))
    works = {"call", "call, 64 callers", "item of a stream"}
    everything = {*works, "1,000 calls of 10 ms at once", "call gathered into lists of 64"}
    for way in ("sage inproc", "sage zmq"):
        assert figures(outcome, way).keys() == everything
    assert figures(outcome, "a bare await").keys() >= works
    assert figures(outcome, "queue and future").keys() == {"call", "call, 64 callers"}
    assert figures(outcome, "zmq.asyncio").keys() == {"call"}
    keys = {column.key for column in outcome.columns}
    assert all(row.keys() <= keys and float(row["us"]) > 0 for row in outcome.rows)
    assert len(outcome.judged()) == len(outcome.goals)  # every goal is about one row


def test_peers_are_measured_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Called]:
        async def echo(value: int) -> int:
            return value

        yield Called(echo, notes=("there: it cannot do much",))

    there, missing = Peer("there", "subject", "sage", ""), Peer("gone", "gone", "no_such_package", "pip install it")
    monkeypatch.setattr(comparison, "PEERS", (there, missing))
    monkeypatch.setattr(Peer, "opens", property(lambda peer: opened))
    (outcome,) = run(Plan(pairs=1, quick=True, peers=True))
    assert figures(outcome, "there").keys() == {"call"}
    assert figures(outcome, "gone") == {}
    assert outcome.notes == ["there: it cannot do much", "no_such_package: not installed; pip install it"]


# Ray ends the process where its cluster does not come up; `python -m benchmarks services --peers` runs it.
QUIET_PEERS = [peer for peer in PEERS if peer.package != "ray"]


@pytest.mark.filterwarnings("ignore")  # what peers warn of is theirs
@pytest.mark.parametrize("peer", QUIET_PEERS, ids=lambda peer: peer.package)
async def test_a_peer_does_the_same_work(peer: Peer) -> None:
    if not peer.installed:
        pytest.skip(f"{peer.package} is not installed")
    home = os.environ["HOME"]
    async with peer.opens() as called:
        assert await each(called.echo, 10) > 0
        assert called.many is not None
        assert await at_once(called.many, 64, 64) > 0
        assert called.items is None or await read(called.items, 20) > 0
    assert os.environ["HOME"] == home
