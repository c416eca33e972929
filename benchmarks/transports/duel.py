"""Ways measured in turn with the one they are held against, in pairs, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.outcome import Chart, Goal, Outcome, Row
from benchmarks.plan import Plan
from benchmarks.transports.figures import Measure
from benchmarks.transports.stage import Stage, StageFailed, Way

__all__ = ["Duel", "hold_duels", "not_held"]


@dataclass(frozen=True)
class Duel:
    """A way, and the one it is held against.

    Args:
        way: what is measured.
        against: what it is held against, in pairs.
        goals: bounds for figures of its row, by their names: the least and the most, or `None`.
    """

    way: Way
    against: Way
    goals: Mapping[str, tuple[float | None, float | None]] | None = None

    def judge(self) -> list[Goal]:
        """The goals, about the row of this way."""
        bounds = (self.goals or {}).items()
        return [Goal({"way": self.way.name}, key, least, most) for key, (least, most) in bounds]


class _Runs:
    """What every way has come to, run by run."""

    def __init__(self, measure: Measure, stage: Stage) -> None:
        self._measure = measure
        self._stage = stage
        self._of: dict[str, list[Mapping[str, float]]] = {}

    def pair(self, duel: Duel, *, counts: bool) -> float:
        """Run both, one after the other, and return how they compare."""
        against, subject = (self._run(way, counts=counts) for way in (duel.against, duel.way))
        return subject / against

    def _run(self, way: Way, *, counts: bool) -> float:
        figures = self._measure.read(way, self._stage.play(way))
        if counts:
            self._of.setdefault(way.name, []).append(figures)
        return figures[self._measure.key]

    def row(self, way: Way) -> Row:
        """The medians of the figures of a way."""
        runs = self._of[way.name]
        return {"way": way.name, **{key: median(run[key] for run in runs) for key in runs[0]}}


def hold_duels(
    name: str, title: str, duels: Sequence[Duel], measure: Measure, plan: Plan, stage: Stage, notes: Sequence[str] = ()
) -> Outcome:
    """Measure all of them. One that fails is left out, and a note says why.

    Args:
        name: the benchmark.
        title: what is measured.
        duels: what is held against what; `against` of the first one is the floor.
        measure: what is read off the runs.
        plan: how often.
        stage: where they are played.
        notes: what else there is to say.
    """
    runs = _Runs(measure, stage)
    held: list[tuple[Duel, Row]] = []
    problems: list[str] = []
    for duel in duels:
        plan.progress(f"{name}: {duel.way.name}")
        try:
            ratios = [runs.pair(duel, counts=number > 0) for number in range(1 + plan.pairs)][1:]
        except StageFailed as failure:
            problems.append(f"LEFT OUT: {duel.way.name} against {duel.against.name}: {failure}")
        else:
            held.append((duel, measure.compared(duel.against.name, ratios)))
    rows: dict[str, Row] = {}
    for duel, comparison in held:
        rows.setdefault(duel.against.name, runs.row(duel.against))
        rows[duel.way.name] = {**runs.row(duel.way), **comparison}
    goals = [goal for duel, _ in held for goal in duel.judge()]
    floor = duels[0].against.name
    chart = Chart(measure.key, measure.axis)
    return Outcome(name, title, floor, measure.columns, list(rows.values()), chart, goals, [*problems, *notes])


def not_held(name: str, title: str, measure: Measure, reason: str) -> Outcome:
    """What is told instead, where something is not installed."""
    return Outcome(name, title, "none", measure.columns, (), Chart(measure.key, measure.axis), notes=[reason])
