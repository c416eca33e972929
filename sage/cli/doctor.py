"""``sage doctor``."""

import json
from dataclasses import asdict

import click

from sage.cli.checks import Check, State, all_checks
from sage.cli.failures import ExitCode

__all__ = ["doctor"]

_MARKS = {State.OK: ("✓", "green"), State.OPTIONAL: ("–", "yellow"), State.BROKEN: ("✗", "red")}
_WIDTH = 14


@click.command(short_help="Check this installation, and say what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check this installation: Python, the packages that sage needs and those it can use, the event loop, the limits of
    the machine, the terminal, and whether a small program gives the right result. What is broken (✗) or could be better
    (–) comes with what to do.

    \b
      sage doctor
      sage doctor --json

    \b
    Exit codes:
      0  everything that is needed works
      1  something that is needed is broken
    """
    checks = []
    for check in all_checks():
        checks.append(check)
        if not as_json:
            click.echo(_line(check))
    works = all(check.state is not State.BROKEN for check in checks)
    if as_json:
        click.echo(json.dumps({"works": works, "checks": [asdict(check) for check in checks]}, indent=2))
    if not works:
        context.exit(ExitCode.FAILED)


def _line(check: Check) -> str:
    mark, colour = _MARKS[check.state]
    advice = click.style(f"  → {check.advice}", bold=check.state is State.BROKEN) if check.advice else ""
    return f"{click.style(mark, fg=colour)} {check.subject:<{_WIDTH}} {check.found}{advice}"
