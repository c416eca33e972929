"""``sage graph``."""

from pathlib import Path

import click

from sage.cli.failures import CannotRun, failures_told, traceback_option
from sage.cli.loading import Target, load_environment, program_argument

__all__ = ["graph"]


@click.command(short_help="Show the operators of a program and how they are joined.")
@program_argument
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "mermaid"]),
    default="text",
    show_default=True,
    help="How to draw it.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it; stdout if left out.",
)
@traceback_option
def graph(target: Target, style: str, output: Path | None, traceback: bool) -> None:
    """Draw the program in FILE without running it. ENV is as in sage run.

    \b
      sage graph wordcount.py
      sage graph wordcount.py:env --format mermaid -o wordcount.mmd
    """
    with failures_told(traceback=traceback):
        env = load_environment(target)
        if not env.logical_graph.nodes:
            raise CannotRun(
                f"program {env.name!r} has no operators; write env.from_iterable([...]).sink(print), for example"
            )
        view = env.graph()
        text = view.mermaid() if style == "mermaid" else view.text()
        if output is None:
            click.echo(text)
        else:
            _write(output, text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"cannot write {path}: {error.strerror}") from error
