"""The command ``sage``::

    sage ─┬─ run         a program, with live progress
          ├─ graph       of a program
          ├─ serve       a program over HTTP, or the OpenAI protocol
          ├─ serve-services   of a program, to other programs
          ├─ mock        an OpenAI-compatible server without a model, for tests
          ├─ demo        a program to look at
          ├─ doctor      is this installation in order?
          └─ completion  for bash, zsh and fish

Exit codes: 0 fine, 1 a job failed or the installation is broken, 2 wrong usage or a program that cannot run,
130 cancelled.
"""

import click

import sage
from sage.cli.completion import COMPLETE_VARIABLE, completion
from sage.cli.demo import demo
from sage.cli.doctor import doctor
from sage.cli.graph import graph
from sage.cli.mock import mock
from sage.cli.run import run
from sage.cli.serve import serve
from sage.cli.serve_services import serve_services

__all__ = ["cli", "main"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    epilog="Write 'sage COMMAND --help' for examples. The same without the command: python -m sage.",
)
@click.version_option(sage.__version__, prog_name="sage", message="%(prog)s %(version)s")
def cli() -> None:
    """Streaming dataflow on asyncio.

    \b
      sage demo                 see it at work
      sage doctor               check the installation
      sage run program.py       run the program in a file
      sage graph program.py     show its operators
      sage serve program.py     answer requests over HTTP
      sage serve-services program.py
    """


for _command in (run, graph, serve, serve_services, mock, demo, doctor, completion):
    cli.add_command(_command)


def main() -> None:
    """Run the command that the process was started with, and exit."""
    cli(complete_var=COMPLETE_VARIABLE)
