"""The errors: their tree, what they tell, and that they cross processes."""

import copy
import pickle
import re

import pytest

import sage
from sage import errors
from sage.operators import errors as operator_errors
from sage.transports import errors as transport_errors


def drawn(text: str) -> dict[str, str | None]:
    """Of each class in a drawing the one above it."""
    above: dict[int, str] = {}
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        match = re.match(r" {4}([│├└─ ]*)([A-Z]\w*)", line)
        if match:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            found[match[2]] = above[depth - 1] if depth else None
    return found


def derived(*roots: type[Exception]) -> dict[str, str | None]:
    """Of each class in the files of errors the one that it is derived from; remote calls have a tree of their own."""
    files = {errors.__name__, operator_errors.__name__, transport_errors.__name__}
    found: dict[str, str | None] = {root.__name__: None for root in roots}
    ahead = list(roots)
    while ahead:
        kind = ahead.pop()
        below = [sub for sub in kind.__subclasses__() if sub.__module__ in files and sub.__name__[0] != "_"]
        found.update({sub.__name__: kind.__name__ for sub in below})
        ahead += below
    return found


def test_the_tree_is_as_drawn() -> None:
    roots = errors.SageError, errors.OperatorError, errors.TransportError
    assert drawn(errors.__doc__ or "") == derived(*roots)
    assert sorted(drawn(errors.__doc__ or "")) == errors.__all__


@pytest.mark.parametrize("island", [operator_errors, transport_errors])
def test_the_islands_draw_the_same(island: object) -> None:
    tree = drawn(errors.__doc__ or "")
    part = drawn(island.__doc__ or "")
    assert part
    assert part.items() <= tree.items()


def test_the_tree_in_words() -> None:
    text = "::\n\n    A\n    ├── B\n    │   └── C\n    └── D\n\n    E\n"
    assert drawn(text) == {"A": None, "B": "A", "C": "B", "D": "A", "E": None}


def test_a_mistake_in_a_program_is_a_value_error_too() -> None:
    assert issubclass(sage.GraphError, ValueError)


def failed(error: BaseException, parallelism: int = 1) -> sage.JobFailed:
    return sage.JobFailed(job="orders", operator="invert", subtask=0, parallelism=parallelism, error=error)


def test_a_failure_names_the_job_the_operator_the_record_and_the_cause() -> None:
    cause = ZeroDivisionError("division by zero")
    error = failed(sage.RecordFailed(7, cause))
    assert str(error) == "job 'orders': operator 'invert' failed on record 7: ZeroDivisionError: division by zero"
    assert (error.job, error.operator, error.subtask, error.record) == ("orders", "invert", 0, 7)
    assert error.__cause__ is cause


def test_a_failure_names_the_subtask_where_there_are_several() -> None:
    error = failed(sage.RecordFailed(7, KeyError("a")), parallelism=3)
    assert str(error) == "job 'orders': operator 'invert' (subtask 0 of 3) failed on record 7: KeyError: 'a'"


def test_a_failure_outside_of_any_record() -> None:
    cause = TimeoutError()
    error = failed(cause)
    assert str(error) == "job 'orders': operator 'invert' failed: TimeoutError"
    assert error.record is None
    assert error.__cause__ is cause


def test_a_long_record_is_shortened() -> None:
    told = str(failed(sage.RecordFailed("x" * 10_000, ValueError("long"))))
    assert len(told) < 400
    assert told.endswith("… (10002 characters): ValueError: long")


def test_a_record_that_cannot_be_shown() -> None:
    class Hidden:
        def __repr__(self) -> str:
            raise RuntimeError("hidden")

    told = str(failed(sage.RecordFailed(Hidden(), ValueError("no"))))
    assert "failed on record <Hidden whose repr raised RuntimeError>: ValueError: no" in told


ERRORS: list[Exception] = [
    sage.SageError("something"),
    sage.GraphError("write another"),
    sage.NotAvailable("install it"),
    sage.JobError("something", job="orders"),
    sage.JobCancelled("it was cancelled", job="orders"),
    sage.JobNotRunning("it was not started", job="orders"),
    sage.JobFailed(job="orders", operator="invert", subtask=1, parallelism=2, error=KeyError("a")),
    sage.JobFailed(
        job="orders", operator="invert", subtask=0, parallelism=1, error=sage.RecordFailed(7, KeyError("a"))
    ),
    sage.InvalidOperator("write another"),
    sage.RecordFailed({"a": 1}, ValueError("no")),
    sage.NotReplayable("read before"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes(error: Exception) -> None:
    error.add_note("seen by the job")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert (str(again), repr(again.__cause__)) == (str(error), repr(error.__cause__))
        assert {name: repr(value) for name, value in vars(again).items()} == {
            name: repr(value) for name, value in vars(error).items()
        }


class Untold(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


async def test_an_error_whose_text_fails_is_told_by_its_type() -> None:
    def fails(value: int) -> int:
        raise Untold

    class FailsToOpen(sage.MapFunction[int, int]):
        async def open(self, context: object) -> None:
            raise Untold

        def map(self, value: int) -> int:
            return value

    told = r"Untold \(whose text raised RuntimeError\)"
    for function in (fails, FailsToOpen()):
        env = sage.Environment("untold")
        env.from_iterable([1]).map(function, name="f").sink(print)
        with pytest.raises(sage.JobFailed, match=told) as failed:
            await env.run()
        assert isinstance(failed.value.__cause__, Untold)
    env = sage.Environment("untold")
    mapped = env.from_iterable([1, 2]).map(fails, on_error=sage.DeadLetter())
    letters = mapped.side_output("dead_letters").collect()
    mapped.sink(print)
    await env.run()
    assert [letter.value for letter in letters.values] == [1, 2]
