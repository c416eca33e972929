"""The benchmarks of transports run whole, with tiny sizes; what hangs, fails or dies is told. None of it needs Ray."""

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.measure import WrongResult
from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.transports import one_process, over_ray, standard_library, xoscar_actors
from benchmarks.transports.catalogue import BETWEEN_PROCESSES, TRANSPORTS
from benchmarks.transports.duel import Duel, hold_duels
from benchmarks.transports.figures import LATENCY, SPEED
from benchmarks.transports.flow import Arrays, Flow, Lists, Records
from benchmarks.transports.packing import pack
from benchmarks.transports.round_trip import Trips
from benchmarks.transports.stage import Played, Stage, StageFailed, Way
from benchmarks.transports.worker import Figures, Port

TINY = Plan(pairs=1, quick=True)
TRIPS = Trips(3)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Two processes for all: starting them takes longest."""
    with Stage(deadline=300) as stage:
        yield stage


@pytest.mark.parametrize("name", BETWEEN_PROCESSES)
def test_all_ways_do_the_work(name: str, stage: Stage) -> None:
    outcome = BETWEEN_PROCESSES[name](TINY, stage)
    assert outcome.name == name
    assert list(outcome.notes) == []  # nothing failed, and all that is measured against is installed
    ways = [str(row["way"]) for row in outcome.rows]
    assert ways[0] == outcome.floor
    assert sum(way.startswith("sage") for way in ways) >= 1
    columns = {column.key for column in outcome.columns}
    numbers = [value for row in outcome.rows for value in row.values() if not isinstance(value, str)]
    assert all(row.keys() <= columns for row in outcome.rows)
    assert all(0 <= number < 1e12 for number in numbers)
    assert all(float(row[outcome.chart.key]) > 0 for row in outcome.rows)
    assert all(row["way"] in ways for _, row, _ in outcome.judged())


@pytest.mark.skipif(find_spec("xoscar") is None, reason="xoscar is not installed")
def test_a_peer_does_it_too(stage: Stage) -> None:
    way = xoscar_actors.lists(Lists(2))
    assert SPEED.read(way, stage.play(way))["per_second"] > 0


def test_queues_in_one_process() -> None:
    (outcome,) = one_process.memory(TINY)
    assert [row["way"] for row in outcome.rows] == ["asyncio.Queue", "sage"]


def test_without_ray_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_ray, "find_spec", lambda name: None)
    (outcome,) = over_ray.ray(TINY)
    assert list(outcome.rows) == []
    assert "sage-streams[ray]" in outcome.notes[0]


def test_one_name_stands_for_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(name: str, plan: Plan) -> list[Outcome]:
        asked.append(name)
        return []

    monkeypatch.setattr(command, "BENCHMARKS", {name: partial(ask, name) for name in TRANSPORTS})
    assert command.main(["transports", "--quick"]) == 0
    assert asked == list(TRANSPORTS)


# ---- what is sent, and how it is checked


@pytest.mark.parametrize("nbytes", [100, 1_024])
def test_records_have_the_size_that_is_told(nbytes: int) -> None:
    items = Records(1, nbytes).items()
    assert {len(pack(next(items))) for _ in range(1_001)} == {nbytes}


@pytest.mark.parametrize(
    "flow", [Records(3), Lists(3), pytest.param(Arrays(3), marks=pytest.mark.skipif(not find_spec("numpy"), reason=""))]
)
async def test_what_is_lost_or_repeated_is_seen(flow: Flow) -> None:
    def getter(*places: int) -> Any:
        items = [item for item, _ in zip(flow.items(), range(20), strict=False)]
        given = iter([items[place] for place in places])

        async def get() -> Any:
            return next(given)

        return get

    await flow.take(getter(5, 6, 7), 5, 3)
    for wrong in ((5, 7, 8), (5, 5, 6), (6, 7, 8)):
        with pytest.raises(WrongResult):
            await flow.take(getter(*wrong), 5, 3)


async def test_lists_may_arrive_in_other_pieces() -> None:
    flow = Lists(2, length=4)
    items = flow.items()
    records = [*next(items), *next(items)]

    async def take(*cuts: int) -> None:
        pieces = iter([records[first:last] for first, last in zip((0, *cuts), (*cuts, None), strict=True)])

        async def get() -> Any:
            return next(pieces)

        await flow.take(get, 0, 2)

    await take(1, 5)
    with pytest.raises(WrongResult, match="too many"):
        records.append(next(items)[0])
        await take(7)


# ---- the stage


def hangs(port: Port) -> Figures:
    return {"heard": port.hear()}  # the other one says nothing


def fails(port: Port) -> Figures:
    raise ValueError("a part that fails")


def dies(port: Port) -> Figures:
    signal.raise_signal(signal.SIGKILL)
    return {}


def test_a_part_that_hangs_is_ended_and_shows_where_it_stood(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.transports.stage._GRACE_SECONDS", 60.0)  # on a busy machine it takes its time
    before = multiprocessing.active_children()
    with Stage(deadline=300) as stage:
        stage.play(standard_library.queue_there_and_back(TRIPS))  # starting processes takes its time
        stage._deadline = 0.2
        with pytest.raises(StageFailed, match=r"slow: .* longer than 0\.2 s"):
            stage.play(Way("slow", hangs, hangs, 1))
        assert "in hangs" in capfd.readouterr().err
        assert set(multiprocessing.active_children()) == set(before)


@pytest.mark.parametrize(("part", "told"), [(fails, "ValueError: a part that fails"), (dies, "SIGKILL")])
def test_a_part_that_fails_is_told_and_the_other_one_ended(part: Any, told: str) -> None:
    before = multiprocessing.active_children()
    with Stage(deadline=300) as stage:
        with pytest.raises(StageFailed, match=told):
            stage.play(Way("bad", hangs, part, 1))
        assert set(multiprocessing.active_children()) == set(before)
        played = stage.play(standard_library.queue_there_and_back(TRIPS))  # by new processes
        assert len(played.near["took"]) == TRIPS.count
    assert set(multiprocessing.active_children()) == set(before)


# ---- duels


class Rehearsal(Stage):
    """Plays nothing: every way takes as long as is told, and `None` fails."""

    def __init__(self, seconds: dict[str, list[float | None]]) -> None:
        super().__init__()
        self.played: list[str] = []
        self._seconds = seconds

    def play(self, way: Way) -> Played:
        self.played.append(way.name)
        seconds = self._seconds[way.name].pop(0)
        if seconds is None:
            raise StageFailed(f"{way.name}: it broke")
        return Played({"ended": seconds, "took": [seconds] * 3}, {"began": 0.0})


def way(name: str) -> Way:
    return Way(name, fails, None, 100)


def test_pairs_alternate_and_the_median_of_the_ratios_counts() -> None:
    stage = Rehearsal({"floor": [9, 1, 10, 1], "sage": [9, 2, 5, 2]})
    outcome = hold_duels(
        "x", "y", [Duel(way("sage"), way("floor"), {"speed": (0.8, None)})], SPEED, replace(TINY, pairs=3), stage
    )
    assert stage.played == ["floor", "sage"] * 4
    floor, sage = outcome.rows
    assert floor == {"way": "floor", "per_second": 100.0}
    assert sage == {
        "way": "sage",
        "against": "floor",
        "per_second": 50.0,
        "speed": 0.5,
        "speed_least": 0.5,
        "speed_most": 2.0,
    }
    ((goal, row, _),) = outcome.judged()
    assert row is sage
    assert not goal.holds(row)


def test_a_way_that_fails_is_left_out_and_the_others_go_on() -> None:
    stage = Rehearsal({"floor": [1, 1, 1, 1], "broken": [None], "sage": [2, 2]})
    duels = [Duel(way("broken"), way("floor"), {"times": (None, 1)}), Duel(way("sage"), way("floor"))]
    outcome = hold_duels("x", "y", duels, LATENCY, TINY, stage, ["a note"])
    assert [row["way"] for row in outcome.rows] == ["floor", "sage"]
    assert outcome.rows[1]["times"] == 2.0
    assert outcome.judged() == []
    assert list(outcome.notes) == ["LEFT OUT: broken against floor: broken: it broke", "a note"]
