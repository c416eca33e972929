"""``sage demo``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import click

from sage.cli.failures import CannotRun, failures_told, traceback_option
from sage.loops import fast_loop

if TYPE_CHECKING:
    from sage.middleware import ModelServer

__all__ = ["demo"]


@click.command(short_help="See sage at work on the documentation of Python itself.")
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@click.option(
    "--path",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A folder of Python source code; that of Python's standard library if left out.",
)
@click.option("--serve", is_flag=True, help="Ask nothing, and keep the server up until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Of the server: 8000 with --serve, else any that is free.")
@click.option("--llm", "url", metavar="URL", help="A server that speaks the OpenAI protocol: its model answers.")
@click.option("--model", metavar="NAME", help="What the model is called there.")
@click.option("--key", envvar="SAGE_LLM_KEY", show_envvar=True, metavar="KEY", help="The API key for that server.")
@click.option("--survey", is_flag=True, help="Count functions instead, and show tables.")
@traceback_option
def demo(
    questions: tuple[str, ...],
    folder: Path | None,
    serve: bool,
    port: int | None,
    url: str | None,
    model: str | None,
    key: str | None,
    survey: bool,
    traceback: bool,
) -> None:
    """Read the documentation of Python's standard library, serve it over the OpenAI protocol, and ask it three
    questions, or those that are given.

    \b
      sage demo
      sage demo 'How does shutil.copytree treat symbolic links?'
      sage demo --serve
      sage demo --llm http://127.0.0.1:8000/v1 --model qwen3
      sage demo --survey --path my_project/

    Without a model, answers are quoted word for word from what was found. It needs the extras serve and llm; --survey
    needs none.

    Progress goes to stderr, all else to stdout. Ctrl-C while files are read drains: all that follows is about what was
    read.
    """
    with failures_told(traceback=traceback), asyncio.Runner(loop_factory=fast_loop()) as runner:
        if survey:
            if questions or serve:
                raise CannotRun("--survey neither asks nor serves: leave it out, or the questions and --serve")
            runner.run(_survey(folder))
            return
        if folder is not None and not (questions or serve):
            raise CannotRun("the demo's own questions are about Python: with --path, ask one, or say --serve")
        default = 8000 if serve else 0
        runner.run(
            _answers(folder, _model_server(url, model, key), questions, serve, default if port is None else port)
        )


async def _survey(folder: Path | None) -> None:
    # Imports are here, so that the other commands do without rich.
    from rich.console import Console

    import sage.demo
    from sage.cli.progress import run_with_progress

    survey = sage.demo.build(folder)
    result = await run_with_progress(survey.env, Console(stderr=True), summary=False)
    Console().print(sage.demo.report(survey, result))
    click.echo(f"\n{_hint('survey.py')}")


async def _answers(
    folder: Path | None, model: "ModelServer | None", questions: Sequence[str], serve: bool, port: int
) -> None:
    from rich.console import Console

    from sage.cli.progress import run_with_progress
    from sage.demo import tour

    console = Console()
    demonstration = tour.prepare(folder, model)  # what is missing is told before anything is read
    with _listening(port) as listening:
        if model is not None:
            click.echo(f"trying {model}", err=True)
            await tour.check(model)
        result = await run_with_progress(demonstration.indexing.env, Console(stderr=True), summary=False)
        tour.show_index(demonstration, result, console)
        if serve:
            await tour.stay(demonstration, listening, console)
        else:
            await tour.ask(demonstration, questions, listening, console)
            click.echo(f"\n{_hint('indexing.py')}")


def _listening(port: int) -> socket:
    from sage.serving.listening import listen

    try:
        return listen("127.0.0.1", port)
    except OSError as error:
        raise CannotRun(f"cannot listen at port {port}: {error.strerror}; name another one: --port") from error


def _model_server(url: str | None, model: str | None, key: str | None) -> "ModelServer | None":
    from sage.middleware import ModelServer

    if url is None and model is None:
        return None
    if url is None or model is None:
        raise CannotRun("a model is told by both: --llm URL --model NAME")
    return ModelServer(url, model, key)


def _hint(name: str) -> str:
    import sage.demo

    program, here = Path(sage.demo.__file__).with_name(name), Path.cwd()
    shown = program.relative_to(here) if program.is_relative_to(here) else program
    return f"The program: {shown}\nIts graph as a diagram: sage graph {shown}:environment --format mermaid"
