"""What ``sage demo`` does: read, serve, ask, and show all of it."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from rich.console import Console
from rich.text import Text

import sage
from sage.demo import answering, indexing
from sage.demo.asking import Ask, own_client, preferred_client
from sage.demo.indexing import Indexing
from sage.demo.interview import QUESTIONS, interview
from sage.demo.report import graphs, indexed
from sage.jobs import JobResult
from sage.middleware import ModelServer
from sage.serving import ServingApp, openai_app
from sage.serving.block import served
from sage.serving.installed import needed

__all__ = ["MODEL", "Demonstration", "ask", "check", "prepare", "show_index", "stay"]

#: What clients ask for.
MODEL = "python-docs"


@dataclass(frozen=True)
class Demonstration:
    """Two programs: one reads, and one answers from what was read.

    Attributes:
        indexing: the first.
        answers: the second.
        app: the second as a server.
        client: makes a client of that server.
        model: what writes the answers; `None` if they are quoted.
    """

    indexing: Indexing
    answers: sage.Environment
    app: ServingApp
    client: Callable[[ModelServer], AbstractAsyncContextManager[Ask]]
    model: ModelServer | None


def prepare(folder: Path | None = None, model: ModelServer | None = None) -> Demonstration:
    """Write the programs; nothing runs yet.

    Args:
        folder: of Python source code; `None` for the standard library.
        model: what is to write the answers; `None` to quote.

    Raises:
        NotAvailable: an extra is not installed.
    """
    needed("uvicorn")
    reading = indexing.build(folder)
    answers = answering.build(reading.library, model)
    app = openai_app(answers, chat={MODEL: "ask"})
    return Demonstration(reading, answers, app, preferred_client(), model)


async def check(model: ModelServer) -> None:
    """See to it that a model answers.

    Cancel safety: nothing is left.

    Raises:
        ModelError: it does not; the message says why.
    """
    async with own_client(model) as client, aclosing(client("Answer with the one word: yes.")) as parts:
        async for _ in parts:
            pass


def show_index(demonstration: Demonstration, result: JobResult, console: Console) -> None:
    """Show what was read, and who answers."""
    console.print(indexed(demonstration.indexing, result))
    model = demonstration.model
    told = "Answers are quoted word for word: no model is asked. With one: sage demo --llm URL --model NAME"
    console.print(Text(f"\n{told if model is None else f'Answers are written by {model}.'}"))


async def ask(demonstration: Demonstration, questions: Sequence[str], listening: socket, console: Console) -> None:
    """Serve, ask, and show the answers as they come; then the graphs.

    Args:
        demonstration: whose first program has run.
        questions: what to ask; the demo's own if there are none.
        listening: where to serve.
        console: where to show it.

    Cancel safety: the server stops.

    Raises:
        NotAvailable: the server could not start.
    """
    async with served(demonstration.app, listening) as origin, demonstration.client(_at(origin)) as client:
        url = _at(origin).url
        console.print(Text(f"Asking {url} over the OpenAI protocol.", style="dim"))
        for question in questions or QUESTIONS:
            await interview(client, question, console)
    console.print(graphs(demonstration.indexing.env, demonstration.answers))


async def stay(demonstration: Demonstration, listening: socket, console: Console) -> None:
    """Serve until SIGINT or SIGTERM, and say how to ask.

    Cancel safety: the server stops.

    Raises:
        NotAvailable: the server could not start.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with served(demonstration.app, listening) as origin:
        url = _at(origin).url
        console.out(f"\nServing {MODEL} at {url}; press Ctrl-C to stop. Ask it:\n\n{_curl(url)}", highlight=False)
        await stop.wait()


def _at(origin: str) -> ModelServer:
    return ModelServer(f"{origin}/v1", MODEL)


def _curl(url: str) -> str:
    messages = f'[{{"role": "user", "content": "{QUESTIONS[1]}"}}]'
    body = f'{{"model": "{MODEL}", "stream": true, "messages": {messages}}}'
    return f"curl -N {url}/chat/completions -H 'content-type: application/json' -d '{body}'"
