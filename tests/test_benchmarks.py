"""The benchmarks run whole, with tiny sizes, and refuse wrong results. No test depends on how long anything takes."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import __main__ as command, async_map, chain, keyed, latency, memory, plot, startup
from benchmarks.contest import Contest, hold
from benchmarks.event_loops import LOOPS
from benchmarks.interpreter import FreshInterpreter, fresh_interpreters
from benchmarks.measure import Pair, Pairs, Sample, WrongResult, expect, percentile, run_pairs
from benchmarks.outcome import Chart, Column, Goal, Outcome
from benchmarks.peers import catalogue
from benchmarks.peers.catalogue import PEERS, Peer
from benchmarks.plan import Plan

ONCE = Plan(pairs=1)
WITH_PEERS = Plan(pairs=1, peers=True)

CONTESTS: dict[str, Callable[[Plan], Outcome]] = {
    "chain": lambda plan: chain.compare(plan, records=1_001),
    "keyed": lambda plan: keyed.compare(plan, records=1_001, keys=7),
    "async_map ordered": lambda plan: async_map.compare(plan, calls=20, concurrency=10, ordered=True),
    "async_map unordered": lambda plan: async_map.compare(plan, calls=20, concurrency=10, ordered=False),
}


def ways(outcome: Outcome) -> list[object]:
    return [row["way"] for row in outcome.rows]


def figures_are_sane(outcome: Outcome) -> bool:
    """Every row has what its columns promise, and every number is one that a measurement can give."""
    keys = {column.key for column in outcome.columns}
    numbers = [value for row in outcome.rows for value in row.values() if not isinstance(value, str)]
    return all(row.keys() <= keys for row in outcome.rows) and all(0 <= number < 1e12 for number in numbers)


@pytest.mark.parametrize("name", CONTESTS)
def test_sage_and_the_floor_do_the_same_work(name: str) -> None:
    outcome = CONTESTS[name](ONCE)
    assert outcome.name == name
    assert ways(outcome) == [outcome.floor, "sage"]
    assert figures_are_sane(outcome)
    assert outcome.rows[0]["speed"] == 1.0
    assert outcome.rows[1]["speed_least"] == outcome.rows[1]["speed"] == outcome.rows[1]["speed_most"]
    assert [row["way"] for _, row, _ in outcome.judged()] == ["sage"] * len(outcome.goals) != []


@pytest.mark.filterwarnings("default")  # what peers warn of is theirs
@pytest.mark.parametrize("name", CONTESTS)
def test_peers_do_it_too_or_a_note_says_why_not(name: str) -> None:
    outcome = CONTESTS[name](WITH_PEERS)
    assert figures_are_sane(outcome)
    for peer in PEERS:
        installed = not peer.package or find_spec(peer.package) is not None
        module = peer.load()
        assert (module is not None) == installed
        expected = list(module.WAYS.get(name, {})) if module else []
        assert [way for way in ways(outcome) if way in expected] == expected
        noted = [note for note in outcome.notes if note.startswith(f"{peer.package or peer.module}:")]
        assert bool(noted) != bool(expected), outcome.notes
        assert installed or f"pip install {peer.package}" in noted[0]


def test_a_peer_that_is_not_installed_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.peers.streamz_streams", raising=False)
    monkeypatch.setitem(sys.modules, "streamz", None)  # as if it were not there
    monkeypatch.setattr(catalogue, "PEERS", (Peer("streamz_streams", "streamz"),))
    assert catalogue.peer_ways("chain") == ({}, ["streamz: not installed; pip install streamz"])


def test_a_peer_that_lacks_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.peers.asyncio_queues", raising=False)
    monkeypatch.setitem(sys.modules, "benchmarks.queues", None)
    with pytest.raises(ModuleNotFoundError, match=r"benchmarks\.queues"):
        Peer("asyncio_queues", "streamz").load()


def contest(subject: Callable[[int], int]) -> Contest[int, int]:
    def check(result: int) -> None:
        expect(result == 42, f"{result} is not 42")

    return Contest("chain", "the answer", 41, 1, "by hand", lambda n: n + 1, subject, check)


def test_a_wrong_result_is_refused() -> None:
    with pytest.raises(WrongResult, match="43 is not 42"):
        hold(contest(lambda n: n + 2), ONCE)


def test_a_peer_with_a_wrong_result_is_left_out_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: dict[str, Callable[[int], int]] = {"hasty": lambda n: n}
    monkeypatch.setattr("benchmarks.contest.peer_ways", lambda name: (wrong, []))
    outcome = hold(contest(lambda n: n + 1), WITH_PEERS)
    assert ways(outcome) == ["by hand", "sage"]
    assert outcome.notes == ["hasty: left out, its result is wrong: 41 is not 42"]


@pytest.mark.parametrize("name", ["chain", "keyed", "async_map unordered"])
def test_the_checks_see_a_record_that_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(held: Contest[object, list[object]], plan: Plan) -> Outcome:
        held.check(held.floor(held.work))
        with pytest.raises(WrongResult):
            held.check(held.floor(held.work)[:-1])
        return Outcome(held.name, held.title, held.floor_name, (), (), Chart("way", ""))

    monkeypatch.setattr(f"benchmarks.{name.split()[0]}.hold", losing)
    assert CONTESTS[name](ONCE).name == name


def test_latency_goes_through_every_depth_on_every_loop() -> None:
    outcome = latency.compare(ONCE, records=10, depths=(1, 3))
    assert figures_are_sane(outcome)
    places = [(row["operators"], row["loop"], row["way"]) for row in outcome.rows]
    assert places == [(depth, loop, way) for depth in (1, 3) for loop in LOOPS for way in ("floor", "sage")]
    assert all(0 < float(row["p50_us"]) <= float(row["p99_us"]) for row in outcome.rows)


@pytest.fixture(scope="module")
def run_fresh() -> Iterator[FreshInterpreter]:
    """Compiling what is imported takes longest: once is enough."""
    with fresh_interpreters() as run:
        yield run


@pytest.fixture
def compiled(run_fresh: FreshInterpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, startup):
        monkeypatch.setattr(module, "fresh_interpreters", lambda: nullcontext(run_fresh))


@pytest.mark.usefixtures("compiled")
def test_memory_of_fresh_processes() -> None:
    outcome = memory.compare_growth(ONCE, records=1_000)
    assert ways(outcome) == ["floor", "sage"]
    assert figures_are_sane(outcome)
    assert all(float(row["mib_idle"]) > 1 for row in outcome.rows)


def test_a_source_does_not_run_ahead_of_its_bound() -> None:
    outcome = memory.compare_run_ahead(ONCE, records=200, sizes=((8, 4), (4, 4)))
    assert figures_are_sane(outcome)
    ahead = {(row["way"], row["channel_capacity"]): row["records_ahead"] for row in outcome.rows}
    assert ahead["floor", 8] == 3 * 8 + 3  # the queues, what the stages hold, and no more: the floor is exact
    assert all(goal.holds(row) for goal, row, _ in outcome.judged())


@pytest.mark.usefixtures("compiled")
def test_startup_of_fresh_interpreters() -> None:
    for outcome in (startup.compare_import(ONCE, runs=1), startup.compare_first_result(ONCE, runs=1)):
        assert ways(outcome) == ["floor", "sage"]
        assert figures_are_sane(outcome)
        assert all(float(row["cpu_ms_least"]) > 0 for row in outcome.rows)


def test_a_program_that_fails_in_a_fresh_interpreter_says_how(run_fresh: FreshInterpreter) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run_fresh("figures = {'a': 1 / 0}")


# ---- statistics


def test_pairs_alternate_and_the_first_is_not_counted() -> None:
    calls: list[str] = []

    pairs = run_pairs(lambda: calls.append("floor"), lambda: calls.append("sage"), 2, lambda result: None)
    assert calls == ["floor", "sage"] * 3
    assert len(pairs.pairs) == 2


def test_the_median_of_the_pairs_is_what_counts() -> None:
    def pair(floor: float, subject: float) -> Pair:
        return Pair(Sample(floor, floor), Sample(subject, 2 * subject))

    pairs = Pairs([pair(1, 2), pair(10, 10), pair(3, 4)])  # a machine that is ten times slower once
    assert pairs.speeds == [0.5, 1.0, 0.75]
    assert pairs.speed == 0.75
    assert pairs.cost == pytest.approx(2 * 4 / 3)


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == 7.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_percentiles_that_do_not_exist(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile of"):
        percentile(values, percent)


@pytest.mark.parametrize(
    ("goal", "figure", "kept", "bound"),
    [
        (Goal({}, "x", least=0.7), 0.7, True, "≥ 0.7"),
        (Goal({}, "x", least=0.7), 0.69, False, "≥ 0.7"),
        (Goal({}, "x", most=2), 2.1, False, "≤ 2"),
        (Goal({}, "x", least=1, most=2), 1.5, True, "≥ 1 and ≤ 2"),
    ],
)
def test_goals(goal: Goal, figure: float, kept: bool, bound: str) -> None:
    assert goal.holds({"x": figure}) is kept
    assert goal.bound == bound


# ---- the command


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A benchmark that measures nothing."""
    outcome = Outcome(
        "tiny",
        "one row",
        "nothing",
        (Column("way", "way"), Column("speed", "speed", ".2f")),
        ({"way": "sage", "speed": 0.5}, {"way": "other"}),
        Chart("speed", "speed"),
        (Goal({"way": "sage"}, "speed", least=0.7),),
        ("a note",),
    )
    monkeypatch.setattr(command, "BENCHMARKS", {"tiny": lambda plan: [outcome]})
    return outcome


def test_the_command_shows_figures_goals_and_notes(tiny: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    assert all(part in shown for part in ("tiny: one row", "0.50", "missed", "goal ≥ 0.7", "a note"))


def test_goals_are_not_meant_for_quick_runs(tiny: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["tiny", "--quick"]) == 0
    assert "missed" not in capsys.readouterr().out


def test_the_json_has_all_there_is_to_know(tiny: Outcome, tmp_path: Path) -> None:
    assert command.main(["--runs", "2", "--json", str(tmp_path / "figures.json")]) == 0
    document = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert {"date", "python", "cores", "versions"} <= document["machine"].keys()
    assert document["options"] == {"pairs": 2, "quick": False, "peers": False}
    (found,) = document["outcomes"]
    assert found["rows"] == [dict(row) for row in tiny.rows]
    assert found["goals"] == [{"way": "sage", "figure": "speed", "goal": "≥ 0.7", "value": 0.5, "kept": False}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "no benchmark nonsense; write some of tiny"),
        (["--runs", "0"], "write a number, 1 or more"),
        (["--json", "no/such/folder/x.json"], "in a folder that exists"),
    ],
)
def test_arguments_that_cannot_be_followed(
    arguments: list[str], message: str, tiny: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert message in capsys.readouterr().err


def test_a_plot_without_matplotlib_is_refused_before_measuring(
    tiny: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="2"):
        command.main(["--plot", str(tmp_path / "figures.svg")])
    captured = capsys.readouterr()
    assert 'pip install "sage-streams[bench]"' in captured.err
    assert captured.out == ""


def test_a_plot_names_every_row_or_the_extra_is_missing(tmp_path: Path) -> None:
    outcome = CONTESTS["chain"](ONCE)
    if find_spec("matplotlib") is None:
        with pytest.raises(plot.PlotsNotAvailable, match="bench"):
            plot.require_matplotlib()
        return
    plot.write_plot(tmp_path / "figures.svg", [outcome], "a machine")
    drawing = (tmp_path / "figures.svg").read_text(encoding="utf-8")
    assert all(text in drawing for text in ("plain for loop", ">sage<", "a machine", outcome.title))
