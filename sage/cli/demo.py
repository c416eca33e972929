"""``sage demo``."""

import asyncio
from pathlib import Path

import click

from sage.cli.failures import failures_told, traceback_option
from sage.loops import fast_loop

__all__ = ["demo"]


@click.command(short_help="See sage at work on the code of Python itself.")
@click.option(
    "--path",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A folder of Python source code; that of Python's standard library if left out.",
)
@traceback_option
def demo(folder: Path | None, traceback: bool) -> None:
    """Find every function in a folder of Python source code, show what each operator does meanwhile, and report.

    \b
      sage demo
      sage demo --path my_project/

    Progress goes to stderr, the report to stdout. Ctrl-C drains: the report is then about what was read.
    """
    with failures_told(traceback=traceback):
        # Here, so that the other commands do without rich.
        from rich.console import Console

        import sage.demo
        from sage.cli.progress import run_with_progress

        survey = sage.demo.build(folder)
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            result = runner.run(run_with_progress(survey.env, Console(stderr=True), summary=False))
        Console().print(sage.demo.report(survey, result))
        click.echo(f"\n{_hint(Path(sage.demo.__file__).with_name('survey.py'))}")


def _hint(program: Path) -> str:
    here = Path.cwd()
    shown = program.relative_to(here) if program.is_relative_to(here) else program
    return f"The program: {shown}\nIts graph as a diagram: sage graph {shown}:environment --format mermaid"
