"""Mistakes: each is refused where it is written, with a text that says what to write instead."""

import datetime
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest

import sage
import sage.testing


async def later(value: Any) -> Any:
    return value


def pair(value: Any) -> Iterator[Any]:
    yield value
    yield value


async def pair_later(value: Any) -> AsyncIterator[Any]:
    yield value
    yield value


def nothing() -> None:
    """Takes no argument."""


def two(left: Any, right: Any) -> Any:
    return left


class Needs(sage.MapFunction[Any, Any]):
    def __init__(self, model: str) -> None:
        self.model = model

    def map(self, value: Any) -> Any:
        return value


class Unfinished(sage.MapFunction[Any, Any]):
    pass


class TakesNothing(sage.MapFunction[Any, Any]):
    def map(self) -> Any:  # type: ignore[override]  # the mistake
        return 1


class OpensAlone(sage.MapFunction[Any, Any]):
    def open(self) -> None:  # type: ignore[override]  # the mistake
        """Forgets the context."""

    def map(self, value: Any) -> Any:
        return value


class ClosesWith(sage.SinkFunction[Any]):
    def sink(self, value: Any) -> None:
        """Has nothing to do."""

    def close(self, context: Any) -> None:  # type: ignore[override]  # the mistake
        """Wants too much."""


class TimesAlone(sage.ProcessFunction[Any, Any]):
    def process(self, value: Any, ctx: Any) -> None:
        """Sets no timer."""

    def on_timer(self, ctx: Any) -> None:  # type: ignore[override]  # the mistake
        """Forgets the time."""


class Yields(sage.MapFunction[Any, Any]):
    def map(self, value: Any) -> Iterator[Any]:
        yield value


class YieldsLater(sage.FilterFunction[Any]):
    async def filter(self, value: Any) -> AsyncIterator[Any]:
        yield value


Stream = Any  # not the real type: every line below is a mistake that a checker would tell of
Mistake = tuple[str, Callable[[Stream], Any], str]

FUNCTIONS: list[Mistake] = [
    ("map of a number", lambda s: s.map(5), "map: 5 is a int, not a function; write a function of 1 argument"),
    ("map of nothing", lambda s: s.map(None), "map: None is a NoneType, not a function"),
    ("map of a text", lambda s: s.map("str"), "map: 'str' is a str, not a function"),
    ("map without argument", lambda s: s.map(nothing), r"map: nothing\(\) .*cannot be called with one argument"),
    ("map of two arguments", lambda s: s.map(two), r"map: two\(left: .*missing a required argument: 'right'"),
    ("map of a lambda of two", lambda s: s.map(lambda a, b: a), r"map: the lambda\(a, b\) cannot be called"),
    ("map that yields", lambda s: s.map(pair), r"map: pair yields its results; write flat_map\(pair\)"),
    (
        "map that yields later",
        lambda s: s.map(pair_later),
        r"pair_later yields its results; write flat_map\(pair_later\)",
    ),
    (
        "map of a partial that yields",
        lambda s: s.map(functools.partial(two, 1)).map(functools.partial(pair)),
        r"map: pair yields its results; write flat_map\(pair\)",
    ),
    ("map method that yields", lambda s: s.map(Yields), r"map: Yields yields its results; write flat_map\(Yields\)"),
    ("blocking map that yields", lambda s: s.map(pair, blocking=True), "map: pair yields its results"),
    (
        "filter that yields",
        lambda s: s.filter(pair),
        "filter: pair yields its results; write a function that returns whether",
    ),
    ("filter method that yields", lambda s: s.filter(YieldsLater), "filter: YieldsLater yields its results"),
    ("inspect that yields", lambda s: s.inspect(pair), "inspect: pair yields its results; nobody would run it"),
    ("sink that yields", lambda s: s.sink(pair_later), "sink: pair_later yields its results; nobody would run it"),
    ("key_by that yields", lambda s: s.key_by(pair), "key_by: pair yields its results; write a plain function"),
    ("route that yields", lambda s: s.route(pair), "route: pair yields its results; write a plain function"),
    (
        "map of a lambda that yields",
        lambda s: s.map(lambda v: (yield v)),
        r"map: the lambda yields.*write flat_map\(\.\.\.\)",
    ),
    (
        "distinct by a lambda that yields",
        lambda s: s.distinct(lambda v: (yield v)),
        "distinct: by: the lambda yields and",
    ),
    (
        "blocking key_by of a lambda",
        lambda s: s.key_by(lambda v: v, blocking=True),
        "key_by: the lambda must be a plain",
    ),
    ("blocking route of a lambda", lambda s: s.route(lambda v: v, blocking=True), "route: the lambda must be a plain"),
    ("process that yields", lambda s: s.process(lambda v, ctx: (yield)), "process: .*yields; write ctx.emit"),
    (
        "connected map that yields",
        lambda s: s.connect(s).map(pair, str),
        r"co_map: pair .*flat_map\(pair\) on its stream",
    ),
    (
        "async key_by",
        lambda s: s.key_by(later),
        r"key_by: later must be a plain function; .* in a map\(...\) before it",
    ),
    ("blocking key_by", lambda s: s.key_by(str, blocking=True), "key_by: str must be a plain function"),
    ("async route", lambda s: s.route(later), "route: later must be a plain function"),
    ("async reduce", lambda s: s.reduce(later), "reduce: later"),
    (
        "async sum",
        lambda s: s.sum(later),
        "sum: of: later is async and must be a plain function; await what it needs in a",
    ),
    ("async distinct", lambda s: s.distinct(later), "distinct: by: later is async and must be a plain function"),
    ("distinct that yields", lambda s: s.distinct(pair), "distinct: by: pair yields and must be a plain function"),
    ("async partition", lambda s: s.partition(later), "partition: later"),
    ("partition by a number", lambda s: s.partition(1), "partition: 1 is a int; write a plain function of 2 arguments"),
    (
        "partition of one argument",
        lambda s: s.partition(str.upper),
        r"partition: upper.*cannot be called with 2 arguments",
    ),
    (
        "map_batch that yields later",
        lambda s: s.map_batch(pair_later, 2),
        "map_batch: pair_later yields; return a list",
    ),
    ("process of one argument", lambda s: s.process(later), r"process: later.* cannot be called with 2 arguments"),
    ("fold with a list", lambda s: s.fold([], two), r"fold: all keys would share initial=\[\]; write initial=list"),
    ("fold with a number", lambda s: s.fold(0, 1), "fold: 1 is a int; write a plain function of 2 arguments"),
    (
        "a class that is no map",
        lambda s: s.map(sage.FilterFunction),
        "map: FilterFunction is not a MapFunction; derive it from",
    ),
    (
        "a class with arguments",
        lambda s: s.map(Needs),
        r"map: Needs\(\) is made for each subtask without arguments, but",
    ),
    (
        "a method without the record",
        lambda s: s.map(TakesNothing),
        r"map: TakesNothing.map\(self\) -> Any cannot be called with self and one argument: too many",
    ),
    (
        "an open without the context",
        lambda s: s.map(OpensAlone()),
        r"map: OpensAlone.open\(self\) -> None cannot be called with self and one argument",
    ),
    (
        "a close with an argument",
        lambda s: s.sink(ClosesWith()),
        r"sink: ClosesWith.close\(self, context: Any\) -> None cannot be called with self alone",
    ),
    (
        "a timer without the time",
        lambda s: s.process(TimesAlone),
        r"process: TimesAlone.on_timer\(self, ctx: Any\) -> None cannot be called with self and 2 arguments",
    ),
    ("a class without its method", lambda s: s.map(Unfinished), "map: Unfinished does not define map"),
    ("a function class for key_by", lambda s: s.key_by(sage.SinkFunction), "key_by: SinkFunction is not a MapFunction"),
    (
        "connect with one function",
        lambda s: s.connect(s).map(str),
        "co_map: write a function for each of the two streams",
    ),
]

OPTIONS: list[Mistake] = [
    ("no subtasks", lambda s: s.map(str, parallelism=0), r"map: parallelism=0: write a number of subtasks, 1 or more"),
    ("negative parallelism", lambda s: s.key_by(str, parallelism=-2), "key_by: parallelism=-2"),
    ("bool parallelism", lambda s: s.count(name="c").filter(str, parallelism=True), "filter: parallelism=True"),
    ("text parallelism", lambda s: s.batch(2, parallelism="2"), "batch: parallelism='2'"),
    ("fractional parallelism", lambda s: s.map(str, parallelism=1.5), "map: parallelism=1.5"),
    (
        "negative concurrency",
        lambda s: s.map(later, concurrency=-1),
        "map: concurrency=-1: write how many calls may run",
    ),
    ("no concurrency", lambda s: s.map(later, concurrency=0), "map: concurrency=0"),
    ("bool concurrency", lambda s: s.map(later, concurrency=True), "map: concurrency=True"),
    ("text concurrency", lambda s: s.flat_map(later, concurrency="8"), "flat_map: concurrency='8'"),
    (
        "process with concurrency",
        lambda s: s.process(two, concurrency=2),
        "process: concurrency=2: it works on one record",
    ),
    ("blocking process", lambda s: s.process(two, blocking=True), "process: its context belongs to the event loop"),
    ("no timeout", lambda s: s.map(later, timeout=0), "map: timeout=0: write seconds above 0, or None for no limit"),
    ("text timeout", lambda s: s.map(later, timeout="5s"), "map: timeout='5s': write seconds above 0"),
    ("bool timeout", lambda s: s.map(later, timeout=True), "map: timeout=True: write seconds above 0"),
    (
        "negative timedelta",
        lambda s: s.map(later, timeout=datetime.timedelta(-1)),
        r"map: timeout=-86400.0: write seconds",
    ),
    ("timeout of a plain function", lambda s: s.map(str, timeout=1), "map: timeout=1 needs an async function"),
    (
        "blocking async function",
        lambda s: s.map(later, blocking=True),
        "map: later is async; blocking=True is for plain",
    ),
    ("blocking in words", lambda s: s.map(str, blocking="no"), "map: blocking='no': write True or False"),
    ("ordered in words", lambda s: s.map(later, ordered="no"), "map: ordered='no': write True or False"),
    (
        "a policy class",
        lambda s: s.map(str, on_error=sage.Retry),
        r"map: on_error=.* is not a policy; write sage.Fail\(\)",
    ),
    ("a policy in words", lambda s: s.sink(str, on_error="retry"), "sink: on_error='retry' is not a policy"),
    ("a policy for a sum", lambda s: s.sum(on_error=None), "sum: on_error=None is not a policy"),
    ("connected with concurrency 0", lambda s: s.connect(s).map(later, str, concurrency=0), "co_map: concurrency=0"),
    ("an empty name", lambda s: s.map(str, name=""), "map: name='': write a text that is not empty, or leave it out"),
    ("a number as a name", lambda s: s.sink(str, name=5), "sink: name=5: write a text"),
    (
        "a name twice",
        lambda s: s.map(str, name="x").map(str, name="x"),
        "map: the name 'x' is taken by another operator",
    ),
    (
        "options for a sink of sage",
        lambda s: s.sink(sage.sinks.stdout(), timeout=1),
        "sink: print takes no timeout; write",
    ),
    ("a class for a sink", lambda s: s.sink(sage.sinks.file), "sink: file describes a sink; make one"),
]

NUMBERS: list[Mistake] = [
    ("negative take", lambda s: s.take(-1), "take: -1: write how many records, 0 or more"),
    ("bool take", lambda s: s.take(True), "take: True: write how many records"),
    ("fractional skip", lambda s: s.skip(1.5), "skip: 1.5: write how many records"),
    ("text skip", lambda s: s.skip("1"), "skip: '1': write how many records"),
    ("no rate", lambda s: s.throttle(0), "throttle: rate=0: write how many records may pass in a second, above 0"),
    ("text rate", lambda s: s.throttle("5"), "throttle: rate='5'"),
    ("bool rate", lambda s: s.throttle(True), "throttle: rate=True"),
    ("endless rate", lambda s: s.throttle(float("inf")), "throttle: rate=inf"),
    ("no burst", lambda s: s.throttle(1, 0), "throttle: burst=0: write how many records may pass at once, 1 or more"),
    ("bool burst", lambda s: s.throttle(1, True), "throttle: burst=True"),
    ("empty lists", lambda s: s.batch(0), "batch: max_size=0: write how many values a list may hold, 1 or more"),
    ("bool size", lambda s: s.batch(True), "batch: max_size=True"),
    ("text size", lambda s: s.map_batch(list, "8"), "map_batch: max_size='8'"),
    ("negative wait", lambda s: s.batch(2, -1), "batch: max_wait=-1: write seconds, 0 or more, or None"),
    ("text wait", lambda s: s.batch(2, "1"), "batch: max_wait='1'"),
    ("bool wait", lambda s: s.map_batch(list, 2, True), "map_batch: max_wait=True"),
    ("nan wait", lambda s: s.batch(2, float("nan")), "batch: max_wait=nan"),
    ("emit in other words", lambda s: s.count(emit="last"), "count: emit='last': write \"each\" for a running result"),
    ("emit by key", lambda s: s.key_by(str).sum(emit=True), "sum: emit=True: write"),
]

STREAMS: list[Mistake] = [
    ("union with a list", lambda s: s.union([1]), r"union: \[1\] is a list, not a stream; write env.from_iterable"),
    (
        "union of two programs",
        lambda s: s.union(other()),
        "union: the streams belong to two environments, 'bad' and 'other'",
    ),
    ("connect with a list", lambda s: s.connect([1]), r"connect: \[1\] is a list, not a stream"),
    ("connect of two programs", lambda s: s.connect(other()), "connect: the streams belong to two environments"),
    ("a side output without a name", lambda s: s.side_output(1), r"side_output\(1\): write the name of a side output"),
    ("no such side output", lambda s: s.map(str).side_output("late"), "no side output 'late'; it has none"),
    (
        "no dead letters",
        lambda s: s.side_output("dead_letters"),
        "operator 'numbers' has no side output 'dead_letters'",
    ),
    ("a part without a name", lambda s: s.route(str)[0], "route: 0 is no text; parts have the names"),
]


def other() -> sage.Stream[int]:
    return sage.Environment("other").from_iterable([1])


@pytest.mark.parametrize(
    ("write", "text"),
    [pytest.param(write, text, id=name) for name, write, text in FUNCTIONS + OPTIONS + NUMBERS + STREAMS],
)
def test_it_is_refused_when_it_is_written(write: Callable[[Stream], Any], text: str) -> None:
    env = sage.Environment("bad")
    numbers = env.from_iterable([1, 2], name="numbers")
    with pytest.raises(sage.SageError, match=text) as caught:
        write(numbers)
    assert len(str(caught.value)) > 20
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("write", "text"),
    [pytest.param(write, text, id=name) for name, write, text in FUNCTIONS + OPTIONS + NUMBERS],
)
async def test_what_was_refused_is_no_part_of_the_program(write: Callable[[Stream], Any], text: str) -> None:
    env = sage.Environment("bad")
    numbers = env.from_iterable([1, 2], name="numbers")
    with pytest.raises(sage.SageError):
        write(numbers)
    # All operators that are there are joined, none hangs in the air.
    read = {edge.receiver for edge in env.logical_graph.edges}
    assert all(node.is_source or node.number in read for node in env.logical_graph.nodes)
    assert await numbers.to_list() == [1, 2]


Env = Any
not_a_program: Any = 5

PROGRAMS: list[tuple[str, Callable[[Env], Any], str]] = [
    (
        "a number as a source",
        lambda env: env.from_iterable(5),
        "from_iterable: 5 is a int, which cannot be iterated; give a list",
    ),
    (
        "nothing as a source",
        lambda env: env.from_iterable(None),
        "from_iterable: None is a NoneType, which cannot be iterated",
    ),
    (
        "a function with arguments",
        lambda env: env.from_iterable(pair),
        r"from_iterable: pair.* cannot be called with 0 arguments",
    ),
    (
        "an async function",
        lambda env: env.from_iterable(lambda: later(1)) and env.from_iterable(main),
        "main is async but",
    ),
    (
        "an iterator twice",
        lambda env: [env.from_iterable(source) for source in [count()] * 2],
        "this count is the source",
    ),
    ("an async iterator twice", lambda env: twice(env, pair_later(1)), "this async_generator is the source"),
    (
        "a list as from_source",
        lambda env: env.from_source([1]),
        r"from_source: \[1\] is neither a sage.SourceFunction nor",
    ),
    (
        "a class as from_source",
        lambda env: env.from_source(sage.sources.lines),
        "from_source: .*neither a sage.SourceFunction",
    ),
    ("a source without a name", lambda env: env.from_iterable([1], name=""), "from_iterable: name='': write a text"),
    (
        "a source's name twice",
        lambda env: [env.from_iterable([1], name="x") for _ in "ab"],
        "the name 'x' is taken by another",
    ),
    (
        "a loop's name twice",
        lambda env: [env.feedback(name="x") for _ in "ab"],
        "feedback: the name 'x' is taken by another",
    ),
    (
        "a loop closed twice",
        lambda env: closed_twice(env.feedback(), env.from_iterable([1])),
        "was closed before; send several",
    ),
    ("a loop closed by a list", lambda env: env.feedback().close([1]), r"close: \[1\] is a list, not a stream"),
    ("nothing to run", lambda env: env.start(), "program 'bad' has nothing to run; write env.from_iterable"),
    ("nothing to run, outside", lambda env: sage.run(env), "program 'bad' has nothing to run"),
    (
        "no sink",
        lambda env: env.from_iterable([1]) and env.start(),
        r"delivers nothing anywhere; end one of its streams",
    ),
    ("no program", lambda env: sage.run(not_a_program), r"sage.run\(5\): write sage.run\(env\), with the environment"),
    (
        "a loop left open",
        lambda env: env.feedback().stream.print() or env.start(),
        r"was never closed; write loop.close",
    ),
    (
        "forward to more",
        lambda env: env.from_iterable([1]).forward().map(str, parallelism=2) and env.start(),
        "needs equal",
    ),
    (
        "submitted outside",
        lambda env: env.from_iterable([1]).print() or env.submit(),
        "needs a running event loop; outside",
    ),
]


async def main() -> list[int]:
    return [1]


def twice(env: Env, source: Any) -> None:
    env.from_iterable(source)
    env.from_iterable(source)


def closed_twice(loop: Any, stream: Stream) -> None:
    loop.close(stream)
    loop.close(stream)


@pytest.mark.parametrize(("write", "text"), [pytest.param(write, text, id=name) for name, write, text in PROGRAMS])
def test_a_program_that_cannot_run(write: Callable[[Env], Any], text: str) -> None:
    with pytest.raises(sage.SageError, match=text) as caught:
        write(sage.Environment("bad"))
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (("",), {}, r"Environment\(''\): write a name for the program"),
        ((" ",), {}, r"Environment\(' '\): write a name"),
        ((None,), {}, r"Environment\(None\): write a name"),
        ((5,), {}, r"Environment\(5\): write a name"),
        (("bad",), {"engine": "flink"}, "engine='flink' is not known; write one of 'local'"),
        (("bad",), {"engine": 5}, r"Environment\('bad'\): engine=5: write 'local' or 'auto', or give an engine"),
        (("bad",), {"engine": "ray"}, "engine='ray' is not in this version; write 'local' or 'auto'"),
        (("bad",), {"transport": "tcp"}, "transport='tcp' is not known; write one of 'memory'"),
        (("bad",), {"transport": 5}, "transport=5 is not known; write one of 'memory', 'shm', 'zmq', 'ray'"),
        (("bad",), {"batch_size": 0}, "batch_size=0: write a number of records, 1 or more"),
        (("bad",), {"batch_size": True}, "batch_size=True: write a number of records"),
        (("bad",), {"channel_capacity": "9"}, "channel_capacity='9': write a number of records"),
        (("bad",), {"channel_capacity": None}, "channel_capacity=None: write a number of records"),
        (("bad",), {"budget": 0}, "budget=0: write the seconds an operator may work"),
        (("bad",), {"budget": "1"}, "budget='1': write the seconds"),
    ],
)
def test_an_environment_that_cannot_be(arguments: tuple[Any, ...], options: dict[str, Any], text: str) -> None:
    with pytest.raises(sage.SageError, match=text) as caught:
        sage.Environment(*arguments, **options)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda: sage.Retry(attempts=1), r"Retry\(attempts=1\): the first call counts, so write at least 2"),
        (lambda: sage.Retry(attempts=True), r"Retry\(attempts=True\)"),
        (lambda: sage.Retry(attempts="3"), r"Retry\(attempts='3'\)"),  # type: ignore[arg-type]
        (lambda: sage.Retry(delay="1"), r"Retry\(delay='1', .*write seconds, 0 or more"),  # type: ignore[arg-type]
        (lambda: sage.Retry(max_delay=float("nan")), r"max_delay=nan\): write seconds"),
        (lambda: sage.Retry(backoff="2"), r"Retry\(backoff='2'\): write 1"),  # type: ignore[arg-type]
        (lambda: sage.Retry(then=sage.Retry()), r"Retry\(then=.*write sage.Fail\(\) or sage.DeadLetter\(\)"),  # type: ignore[arg-type]
        (lambda: sage.sources.ticker(0), "ticker: interval=0: write seconds above 0"),
        (lambda: sage.sources.ticker("1"), "ticker: interval='1': write seconds above 0"),  # type: ignore[arg-type]
        (lambda: sage.sources.ticker(1, True), "ticker: count=True: write how many ticks there are"),
        (lambda: sage.sources.ticker(1, -1), "ticker: count=-1: write how many ticks there are"),
        (lambda: sage.sources.lines(5), "lines: 5 is no path; write one path, or a list of paths"),  # type: ignore[arg-type]
        (
            lambda: sage.sources.lines("a", encoding="klingon"),
            "lines: unknown encoding: klingon; write an encoding such as",
        ),
        (lambda: sage.sources.glob("/etc/*"), r"glob: '/etc/\*': write a pattern relative to root"),
        (lambda: sage.sources.glob(5), r"glob: 5: write a pattern relative to root"),  # type: ignore[arg-type]
        (lambda: sage.sources.glob("*", root=5), "glob: root: 5 is no path; write a path"),  # type: ignore[arg-type]
        (lambda: sage.sinks.file(5), "write_lines: 5 is no path; write a path"),  # type: ignore[arg-type]
        (lambda: sage.sinks.to(()), r"to: \(\) is no list; write a list of yours"),  # type: ignore[arg-type]
        (lambda: sage.sinks.file("a", encoding="klingon"), "write_lines: unknown encoding: klingon; write an encoding"),
    ],
)
def test_what_is_made_by_itself_is_refused_by_itself(write: Callable[[], Any], text: str) -> None:
    with pytest.raises(sage.GraphError, match=text) as caught:
        write()
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (
            lambda numbers: numbers.map(str, paralelism=2),
            r"map: there is no option 'paralelism'; did you mean parallelism=\.\.\.\?",
        ),
        (lambda numbers: numbers.map(str, retries=2), r"map: there is no option 'retries'"),
        (lambda numbers: numbers.sum(parallelism=2), r"sum: there is no option 'parallelism'"),
        (
            lambda numbers: numbers.sink(print, onerror=sage.Fail()),
            r"sink: there is no option 'onerror'; did you mean on_error=",
        ),
    ],
)
def test_an_option_that_is_not_there(write: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(sage.GraphError, match=text):
        write(sage.Environment("options").from_iterable([1]))


class Locked(sage.MapFunction[Any, Any]):
    """Cannot be copied, as an open connection cannot."""

    def __init__(self) -> None:
        self.where = pair(1)

    def map(self, value: Any) -> Any:
        return value


class Broken(sage.MapFunction[Any, Any]):
    def __init__(self) -> None:
        raise OSError("no such model")

    def map(self, value: Any) -> Any:
        return value


@pytest.mark.parametrize(
    ("write", "kind", "text"),
    [
        (
            lambda s: s.map(Locked(), parallelism=2),
            sage.GraphError,
            r"'map\(Locked\)': Locked cannot be copied for 2 subtasks",
        ),
        (lambda s: s.map(Broken), sage.JobFailed, r"operator 'map\(Broken\)' failed: OSError: no such model"),
        (
            lambda s: s.sink(sage.sinks.file("a"), parallelism=2),
            sage.GraphError,
            "2 subtasks cannot write a together; write",
        ),
    ],
)
async def test_what_shows_only_when_tasks_are_made_stops_the_job_before_any_runs(
    write: Callable[[Stream], Any], kind: type[sage.SageError], text: str
) -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        read.append(1)
        yield 1

    env = sage.Environment("bad")
    stream = env.from_iterable(numbers)
    write(stream)
    stream.collect()
    job = env.start()
    with pytest.raises(kind, match=text):
        async with job:
            await job.wait()
    assert job.status == "failed"
    assert read == []


FORGETFUL: dict[str, Callable[[sage.Stream[int], Any], Any]] = {
    "map": lambda numbers, given: numbers.map(given),
    "blocking map": lambda numbers, given: numbers.map(given, blocking=True),
    "filter": lambda numbers, given: numbers.filter(given),
    "filter by key": lambda numbers, given: numbers.key_by(str).filter(given),
    "inspect": lambda numbers, given: numbers.inspect(given),
    "flat_map": lambda numbers, given: numbers.flat_map(given),
    "blocking flat_map": lambda numbers, given: numbers.flat_map(given, blocking=True),
    "process": lambda numbers, given: numbers.process(lambda value, ctx: given(value)),
    "map_batch": lambda numbers, given: numbers.map_batch(given, max_size=2),
    "key_by": lambda numbers, given: numbers.key_by(given),
    "route": lambda numbers, given: numbers.route(given)["a"],
    "sum": lambda numbers, given: numbers.sum(given),
    "distinct": lambda numbers, given: numbers.distinct(given),
    "connect": lambda numbers, given: numbers.connect(numbers).map(str, given),
    "sink": lambda numbers, given: numbers.sink(given),
    "sink, to be tried again": lambda numbers, given: numbers.sink(given, on_error=sage.Retry(delay=3_600)),
}


@pytest.mark.parametrize("operator", FORGETFUL)
@sage.testing.virtual_time
async def test_a_plain_function_that_forgets_to_await_is_told(operator: str) -> None:
    calls: list[Any] = []

    def forgetful(value: Any) -> Any:
        calls.append(later(value))
        return calls[-1]

    env = sage.Environment("forgotten")
    stream = FORGETFUL[operator](env.from_iterable([1]), forgetful)
    if stream is not None:
        stream.sink(lambda value: None)
    with pytest.raises(
        sage.JobFailed, match=r"something to await \(coroutine\), .* write `async def` and `await` what it"
    ):
        await env.run()
    (call,) = calls
    assert call.cr_frame is None, "it would warn that it was never awaited"


def test_the_context_is_there_only_inside() -> None:
    with pytest.raises(
        LookupError, match=r"sage.context\(\) is there only inside a function that a sage operator calls"
    ):
        sage.context()
