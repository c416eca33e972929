"""How commands tell of failures: a few lines, an exit code, and a traceback only if it was asked for."""

import os
import sysconfig
import traceback as tracebacks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

import click

import sage
from sage.errors import JobCancelled, JobFailed, OperatorError, SageError, TransportError

__all__ = ["CannotRun", "ExitCode", "failures_told", "place_of", "traceback_option", "what_happened"]

F = TypeVar("F", bound=Callable[..., Any])

# Errors whose message says it all, so that the name of the class would add nothing.
_SPEAKING = (SageError, OperatorError, TransportError)


def _folders_of_others() -> tuple[str, ...]:
    package = Path(sage.__file__).parent
    islands = ((package / name).resolve() for name in ("operators", "transports"))  # behind links, in a checkout
    installed = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return tuple({f"{folder}{os.sep}" for folder in (package, *islands, *installed)})


# Code below these is not the user's: sage, the standard library, installed packages.
_OTHERS = _folders_of_others()


class ExitCode(IntEnum):
    """What the process says to whoever started it."""

    #: the job failed, or an installation is broken
    FAILED = 1
    #: wrong usage, or a program that cannot run
    CANNOT_RUN = 2
    #: cancelled by Ctrl-C
    CANCELLED = 130


class CannotRun(click.ClickException):
    """There is nothing to run, or what there is cannot run. The message says what to do instead."""

    exit_code = ExitCode.CANNOT_RUN


class _Failed(click.ClickException):
    exit_code = ExitCode.FAILED


class _Cancelled(click.ClickException):
    exit_code = ExitCode.CANCELLED


def traceback_option(command: F) -> F:
    """Give a command the option ``--traceback``."""
    return click.option("--traceback", is_flag=True, help="Show where an error comes from, frame by frame.")(command)


@contextmanager
def failures_told(*, traceback: bool) -> Iterator[None]:
    """Turn whatever is raised inside into a message on stderr and an exit code.

    Args:
        traceback: whether to print the traceback as well.
    """
    try:
        yield
    except (click.Abort, click.exceptions.Exit, BrokenPipeError):
        raise  # click knows what to do
    except KeyboardInterrupt:
        raise _Cancelled("cancelled") from None
    except Exception as raised:
        error = _sole(raised)
        if traceback:
            _print_traceback(error)
        raise (error if isinstance(error, click.ClickException) else _shown(error)) from None


def what_happened(error: BaseException) -> str:
    """An error in a line: its message, after the name of its class unless the message is one of sage's."""
    text = str(error)
    if isinstance(error, _SPEAKING) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_of(error: BaseException) -> str | None:
    """Where in the user's own code an error was raised, or what raised it was called; `None` if that took no part."""
    frames = [frame for frame in tracebacks.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    if not frames:
        return None
    frame = frames[-1]
    function = "" if frame.name == "<module>" else f", in {frame.name}"
    return f"{_shortened(frame.filename)}:{frame.lineno}{function}" + (f": {frame.line}" if frame.line else "")


def _shown(error: BaseException) -> click.ClickException:
    """What happened and, on a line of its own, where."""
    origin = error.__cause__ if isinstance(error, JobFailed) and error.__cause__ is not None else error
    place = place_of(origin)
    message = what_happened(error) + (f"\n  {place}" if place else "")
    if isinstance(error, JobCancelled):
        return _Cancelled(message)
    if isinstance(error, _SPEAKING) and not isinstance(error, JobFailed):
        return CannotRun(message)
    return _Failed(message)


def _sole(error: BaseException) -> BaseException:
    """The error inside of groups that hold nothing else."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _print_traceback(error: BaseException) -> None:
    shown = error.__cause__ if isinstance(error, click.ClickException) else error
    if shown is not None:
        click.echo("".join(tracebacks.format_exception(shown)), err=True)


def _is_users(filename: str) -> bool:
    # Paths that are not absolute are those of compiled code, and `<string>` and the like.
    return os.path.isabs(filename) and not filename.startswith(_OTHERS)


def _shortened(filename: str) -> str:
    """A path as seen from the working directory, if it is below it."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
