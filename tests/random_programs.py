"""Random programs: recipes that hypothesis draws, and the programs that are built from them.

A recipe is plain data, so the same program can be built for several engines, and a failing one be made smaller. Its
records are numbers below `MODULUS`. Where records may come in any order, each step gives the same multiset for every
order.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

import sage

__all__ = ["Life", "Outcome", "Program", "Recipe", "build", "recipes"]

MODULUS = 997
# A step that makes more of its records is left out where there are so many already.
_MOST = 1_500

KINDS = (
    "map",
    "map",
    "filter",
    "flat_map",
    "count",
    "total",
    "distinct",
    "union",
    "route",
    "letters",
    "side",
    "lists",
    "map_batch",
    "take",
    "skip",
    "loop",
)
SPREADS = ("auto", "auto", "forward", "rebalance", "rescale", "broadcast", "custom")


@dataclass(frozen=True)
class Origin:
    """A source: what it gives, and whether by a list, a generator or an async generator."""

    kind: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One step; `reads` and `other` name streams that exist by then, modulo their number."""

    kind: str
    reads: int
    other: int
    parallelism: int
    spread: str
    #: 0: plain; 1, 2: async, in order; 3: async, in any order.
    flavour: int
    size: int


@dataclass(frozen=True)
class Recipe:
    """A program."""

    origins: tuple[Origin, ...]
    steps: tuple[Step, ...]
    batch_size: int
    capacity: int
    #: Seconds: with the smallest, tasks give way behind each batch; with the largest, never.
    budget: float


def recipes(*, linear: bool = False) -> st.SearchStrategy[Recipe]:
    """Recipes; if `linear`, of programs in which every stream has one order."""
    most = 1 if linear else 4
    numbers = st.lists(st.integers(0, MODULUS - 1), max_size=50).map(tuple)
    origins = st.builds(Origin, st.sampled_from(["list", "generator", "async"]), numbers)
    kinds = [kind for kind in KINDS if not linear or kind not in ("union", "loop")]
    steps = st.builds(
        Step,
        kind=st.sampled_from(kinds),
        reads=st.integers(0, 7),
        other=st.integers(0, 7),
        parallelism=st.integers(1, most),
        spread=st.sampled_from(SPREADS),
        flavour=st.integers(0, 2 if linear else 3),
        size=st.integers(1, 20),
    )
    return st.builds(
        Recipe,
        origins=st.lists(origins, min_size=1, max_size=3).map(tuple),
        steps=st.lists(steps, max_size=7).map(tuple),
        batch_size=st.integers(1, 64),
        capacity=st.integers(1, 64),
        budget=st.sampled_from([1e-9, 0.002, 3600.0]),
    )


@dataclass
class Life:
    """Which function objects were opened and closed, and how often."""

    opened: Counter[int] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    # Keeps them alive, so that no two have the same id.
    known: list[Any] = field(default_factory=list)

    def check(self) -> None:
        """Every function that was opened was closed, and none twice."""
        assert not self.opened - self.closed, "opened and not closed"
        assert set(self.opened.values()) <= {1}
        assert set(self.closed.values()) <= {1}


class Mix(sage.MapFunction[int, int]):
    """Another number for each, plain; takes note of its life."""

    def __init__(self, life: Life) -> None:
        self.life = life

    def __deepcopy__(self, memo: dict[int, Any]) -> "Mix":
        return type(self)(self.life)

    async def open(self, context: Any) -> None:
        self.life.known.append(self)
        self.life.opened[id(self)] += 1
        await asyncio.sleep(0)

    def map(self, value: int) -> Any:
        return (3 * value + 1) % MODULUS

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.life.closed[id(self)] += 1


class MixLater(Mix):
    """The same, async."""

    async def map(self, value: int) -> Any:
        await pause(value)
        return super().map(value)


async def pause(value: int) -> None:
    """No turn of the loop, one, several, or a while: as the value says."""
    for _ in range(value % 3):
        await asyncio.sleep(0)
    if value % 5 == 0:
        await asyncio.sleep(0.0001 * (value % 7))


@dataclass(frozen=True)
class Made:
    """A stream, and what is known of it.

    Attributes:
        order: whether its records have one order.
        most: how many records it has at most.
        widths: the parallelism of the operators that it comes from.
    """

    stream: Any
    order: bool
    most: int
    widths: frozenset[int]


@dataclass(frozen=True)
class Outcome:
    """What a stream came to: `values`, in one order or in any."""

    values: list[int]
    order: bool

    def same(self, other: "Outcome") -> bool:
        """Whether both have the same records, in the same order where there is one."""
        return self.values == other.values if self.order else Counter(self.values) == Counter(other.values)


class Program:
    """A program built from a recipe.

    Attributes:
        env: to run it.
        life: of its functions.
    """

    def __init__(self, recipe: Recipe, engine: Any = None) -> None:
        self.env = sage.Environment(
            "random",
            engine=engine,
            batch_size=recipe.batch_size,
            channel_capacity=recipe.capacity,
            budget=recipe.budget,
        )
        self.life = Life()
        self._made = [
            Made(self.env.from_iterable(_source(origin)), True, len(origin.values), frozenset({1}))
            for origin in recipe.origins
        ]
        self._read: set[int] = set()
        for step in recipe.steps:
            self._add(step)
        self._collected = [
            (made.stream.collect(), made.order) for number, made in enumerate(self._made) if number not in self._read
        ]

    def everything(self) -> Any:
        """One stream of the records of all ends."""
        ends = [made.stream for number, made in enumerate(self._made) if number not in self._read]
        return ends[0].union(*ends[1:])

    def outcomes(self) -> list[Outcome]:
        """What came out at each end, after a run."""
        return [Outcome(list(collected.values), order) for collected, order in self._collected]

    def _add(self, step: Step) -> None:
        number = step.reads % len(self._made)
        made = self._made[number]
        limited = step.kind in ("take", "skip")
        if (limited and not made.order) or (step.kind in ("flat_map", "loop", "union") and made.most > _MOST):
            return
        self._read.add(number)
        if step.kind == "union":
            other = step.other % len(self._made)
            self._read.add(other)
            self._made.append(_union(made, self._made[other]))
            return
        if limited:
            self._made.append(_limited(made, step))
            return
        after: Callable[[Any, Step], list[Any]] = getattr(self, f"_{step.kind}")
        spread = _spread(made, step)
        order = made.order and step.parallelism == 1 and step.flavour < 3 and step.kind != "loop"
        if step.kind == "lists" and not order:
            step = replace(step, flavour=0)
        growth = {"flat_map": 2, "loop": 12}.get(step.kind, 1)
        for stream in after(spread.stream, step):
            self._made.append(Made(stream, order, spread.most * growth, frozenset({step.parallelism})))

    def _map(self, stream: Any, step: Step) -> list[Any]:
        function = MixLater(self.life) if step.flavour else Mix(self.life)
        return [stream.map(function, **_options(step))]

    def _filter(self, stream: Any, step: Step) -> list[Any]:
        async def later(value: int) -> bool:
            await pause(value)
            return value % 3 > 0

        return [stream.filter(later if step.flavour else lambda value: value % 3 > 0, **_options(step))]

    def _flat_map(self, stream: Any, step: Step) -> list[Any]:
        async def later(value: int) -> AsyncIterator[int]:
            for copy in range(value % 3):
                await pause(value + copy)
                yield (value + copy) % MODULUS

        def plain(value: int) -> Iterator[int]:
            for copy in range(value % 3):
                yield (value + copy) % MODULUS

        return [stream.flat_map(later if step.flavour else plain, **_options(step))]

    def _count(self, stream: Any, step: Step) -> list[Any]:
        counts = stream.key_by(lambda value: (None, value % step.size)).count(parallelism=step.parallelism)
        return [counts.map(lambda pair: (7 * pair[0][1] + pair[1]) % MODULUS, parallelism=step.parallelism)]

    def _total(self, stream: Any, step: Step) -> list[Any]:
        keyed = stream.key_by(lambda value: str(value % step.size), parallelism=step.parallelism)
        totals = keyed.sum(emit="end", parallelism=step.parallelism)
        return [totals.map(lambda pair: (len(pair[0]) + pair[1]) % MODULUS, parallelism=step.parallelism)]

    def _distinct(self, stream: Any, step: Step) -> list[Any]:
        return [stream.key_by(lambda value: value % 5).distinct(parallelism=step.parallelism)]

    def _route(self, stream: Any, step: Step) -> list[Any]:
        parts = stream.route(lambda value: str(value % 3), parallelism=step.parallelism)
        return [parts["0"], parts["1"]]

    def _letters(self, stream: Any, step: Step) -> list[Any]:
        def fail(value: int) -> int:
            if value % 4 == 0:
                raise ValueError(value)
            return value

        async def later(value: int) -> int:
            await pause(value)
            return fail(value)

        kept = stream.map(later if step.flavour else fail, on_error=sage.DeadLetter(), **_options(step))
        return [kept, kept.side_output("dead_letters").map(lambda letter: letter.value, parallelism=step.parallelism)]

    def _side(self, stream: Any, step: Step) -> list[Any]:
        def part(value: int, ctx: Any) -> None:
            ctx.emit(value, output="even" if value % 2 == 0 else None)

        main = stream.process(part, parallelism=step.parallelism)
        return [main, main.side_output("even")]

    def _lists(self, stream: Any, step: Step) -> list[Any]:
        lists = stream.batch(step.size, parallelism=step.parallelism)
        if step.flavour:  # where records have one order, even the lists are the same
            lists = lists.map(lambda values: [(value + values[0]) % MODULUS for value in values])
        return [lists.flat_map(list, parallelism=step.parallelism)]

    def _map_batch(self, stream: Any, step: Step) -> list[Any]:
        async def later(values: list[int]) -> list[int]:
            await pause(values[0])
            return plain(values)

        def plain(values: list[int]) -> list[int]:
            return [(5 * value + 2) % MODULUS for value in values]

        wait = None if step.other % 2 else 0.0005
        return [stream.map_batch(later if step.flavour else plain, max_size=step.size, max_wait=wait, **_options(step))]

    def _loop(self, stream: Any, step: Step) -> list[Any]:
        async def same(value: int) -> int:
            await pause(value)
            return value

        loop = self.env.feedback()
        numbers = stream.union(loop.stream).map(same, **_options(replace(step, flavour=max(step.flavour, 1))))
        again = numbers.filter(lambda value: value > 0)
        if step.other % 3 == 1:
            again = again.batch(step.size).flat_map(list)
        elif step.other % 3 == 2:
            again = again.key_by(lambda value: value % 7).map(lambda value: value, parallelism=step.parallelism)
        loop.close(again.map(lambda value: value // 2))
        return [numbers]


def build(recipe: Recipe, engine: Any = None) -> Program:
    """The program of a recipe, for the engine given or the local one."""
    return Program(recipe, engine)


def _source(origin: Origin) -> Any:
    def generator() -> Iterator[int]:
        yield from origin.values

    async def awaiting() -> AsyncIterator[int]:
        for value in origin.values:
            await pause(value)
            yield value

    return {"list": list(origin.values), "generator": generator, "async": awaiting}[origin.kind]


def _options(step: Step) -> dict[str, Any]:
    options: dict[str, Any] = {"parallelism": step.parallelism}
    if step.flavour:
        options |= {"concurrency": 1 + step.size % 6, "ordered": step.flavour < 3}
    return options


def _union(one: Made, other: Made) -> Made:
    return Made(one.stream.union(other.stream), False, one.most + other.most, one.widths | other.widths)


def _limited(made: Made, step: Step) -> Made:
    stream = made.stream.take(step.size) if step.kind == "take" else made.stream.skip(step.size)
    return replace(made, stream=stream, widths=frozenset({1}))


def _spread(made: Made, step: Step) -> Made:
    """The stream, spread over the subtasks of the next step as it says."""
    stream = made.stream
    named_apart = step.kind in ("count", "distinct")  # the keys are named by one subtask, whatever follows
    if step.spread == "forward" and made.widths == {1 if named_apart else step.parallelism}:
        return replace(made, stream=stream.forward())
    if step.spread == "broadcast" and made.most * step.parallelism <= _MOST and not named_apart:
        return replace(made, stream=stream.broadcast(), most=made.most * step.parallelism)
    if step.spread == "custom":
        return replace(made, stream=stream.partition(lambda value, targets: value % targets))
    if step.spread in ("rebalance", "rescale"):
        return replace(made, stream=getattr(stream, step.spread)())
    return made
