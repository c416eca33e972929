"""The errors of operators: what they tell, and that they cross processes."""

import copy
import pickle

from sage.operators import InvalidOperator, NotReplayable, OperatorError, RecordFailed
from sage.operators.errors import shorten


def test_a_failed_record_tells_of_both() -> None:
    cause = KeyError("a")
    error = RecordFailed({"b": 1}, cause)
    assert str(error) == "KeyError: 'a' (record: {'b': 1})"
    assert (error.value, error.cause) == ({"b": 1}, cause)
    assert error.__cause__ is cause


def test_an_error_that_cannot_tell_what_it_is_is_told_by_its_type() -> None:
    class Untold(Exception):
        def __str__(self) -> str:
            raise AttributeError("code")

    error = RecordFailed(1, Untold())
    assert str(error) == "Untold (whose text raised AttributeError) (record: 1)"
    assert str(RecordFailed(1, KeyError())) == "KeyError (record: 1)"


def test_a_failed_record_crosses_processes() -> None:
    error = RecordFailed({"b": 1}, ValueError("no"))
    error.add_note("seen by the task")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(again), str(again), again.value) == (RecordFailed, str(error), {"b": 1})
        assert repr(again.__cause__) == repr(again.cause) == "ValueError('no')"
        assert again.__notes__ == ["seen by the task"]


def test_all_have_one_root() -> None:
    assert set(OperatorError.__subclasses__()) >= {InvalidOperator, NotReplayable, RecordFailed}
    assert issubclass(InvalidOperator, ValueError)


def test_long_values_are_shortened() -> None:
    assert shorten("abc") == "'abc'"
    assert shorten("abcdef", limit=4) == "'abc… (8 characters)"
