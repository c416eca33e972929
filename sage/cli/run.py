"""``sage run``."""

import asyncio
import json
import sys
from typing import Any

import click

from sage.cli.failures import failures_told, traceback_option
from sage.cli.loading import Target, load_environment, program_argument
from sage.environment import Environment
from sage.errors import JobError, JobFailed
from sage.jobs import JobResult
from sage.loops import fast_loop

__all__ = ["result_as_json", "run"]


@click.command(short_help="Run the program in a file, with live progress.")
@program_argument
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to print progress where there is no terminal.",
)
@click.option("--quiet", "-q", is_flag=True, help="Show neither progress nor a summary.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, as the last line of stdout.")
@traceback_option
def run(target: Target, interval: float, quiet: bool, as_json: bool, traceback: bool) -> None:
    """Run the program in FILE and show how each operator gets on: records in and out, records per second, the shares of
    time that it is busy, idle (waits for input) and blocked (held back by what comes after it), and how full its input
    channels are.

    ENV is a variable that holds a sage.Environment, or a function without arguments that returns one. It can be left
    out if FILE has only one environment.

    \b
      sage run wordcount.py
      sage run wordcount.py:env
      sage run wordcount.py:build --quiet --json > result.json

    Progress goes to stderr, so stdout is the program's own. Ctrl-C drains: the sources end, and what is inside is
    finished; Ctrl-C again cancels. SIGTERM drains, too.

    FILE is not run as __main__: what it has under if __name__ == "__main__" is left out.

    \b
    Exit codes:
      0    finished, or drained
      1    the job failed
      2    wrong usage, or the program cannot run
      130  cancelled
    """
    with failures_told(traceback=traceback):
        sys.argv[:] = [str(target.path)]  # the options are not the program's
        env = load_environment(target)
        try:
            result = _run(env, interval=interval, quiet=quiet)
        except JobError as error:
            if as_json:
                click.echo(json.dumps(_failure_as_json(error)))
            raise
        if as_json:
            click.echo(json.dumps(result_as_json(result)))


def result_as_json(result: JobResult) -> dict[str, Any]:
    """A result in the types of JSON; seconds as floats."""
    return {
        "name": result.name,
        "id": result.id,
        "status": str(result.status),
        "duration": result.duration,
        "restarts": result.restarts,
        "operators": {name: statistics._asdict() for name, statistics in result.operators.items()},
    }


def _failure_as_json(error: JobError) -> dict[str, Any]:
    status = "failed" if isinstance(error, JobFailed) else "cancelled"
    return {"name": error.job, "status": status, "error": str(error)}


def _run(env: Environment, *, interval: float, quiet: bool) -> JobResult:
    # Here, so that the other commands do without rich.
    from rich.console import Console

    from sage.cli.progress import run_with_progress

    console = Console(stderr=True, quiet=quiet)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(run_with_progress(env, console, interval=interval))
