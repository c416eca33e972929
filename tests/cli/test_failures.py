"""How failures are told."""

import json

import click
import pytest

import sage
from sage.cli.failures import CannotRun, failures_told, place_of, what_happened


def told(error: BaseException) -> tuple[int, str]:
    """The exit code and the message."""
    with pytest.raises(click.ClickException) as caught, failures_told(traceback=False):
        raise error
    return caught.value.exit_code, caught.value.message.splitlines()[0]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (sage.GraphError("no operators"), 2, "no operators"),
        (sage.NotAvailable("not here"), 2, "not here"),
        (sage.NotReplayable("read before"), 2, "read before"),
        (sage.JobCancelled("cancelled", job="j"), 130, "job 'j': cancelled"),
        (KeyboardInterrupt(), 130, "cancelled"),
        (CannotRun("no file"), 2, "no file"),
        (ValueError("odd"), 1, "ValueError: odd"),
        (ExceptionGroup("some", [ExceptionGroup("more", [ValueError("odd")])]), 1, "ValueError: odd"),
        (ExceptionGroup("two", [ValueError(), KeyError()]), 1, "ExceptionGroup: two (2 sub-exceptions)"),
    ],
)
def test_codes_and_messages(error: BaseException, code: int, message: str) -> None:
    assert told(error) == (code, message)


@pytest.mark.parametrize("error", [click.Abort(), click.exceptions.Exit(3), BrokenPipeError()])
def test_what_click_handles_is_left_to_it(error: Exception) -> None:
    with pytest.raises(type(error)), failures_told(traceback=True):
        raise error


def test_the_traceback_is_of_what_was_raised_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CannotRun), failures_told(traceback=True):
        raise CannotRun("it failed") from ZeroDivisionError("division by zero")
    assert capsys.readouterr().err.strip() == "ZeroDivisionError: division by zero"


def test_an_error_without_a_message_is_its_name() -> None:
    assert what_happened(ValueError()) == "ValueError"
    assert what_happened(sage.SageError()) == "SageError"


def test_the_place_is_where_the_user_called_what_raised() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    place = place_of(caught.value)
    assert place is not None
    file, _, rest = place.partition(":")
    assert file == __file__
    assert rest.endswith(', in test_the_place_is_where_the_user_called_what_raised: json.loads("{")')


def test_an_error_that_was_not_raised_has_no_place() -> None:
    assert place_of(ValueError()) is None
