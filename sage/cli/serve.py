"""``sage serve``."""

import asyncio
import inspect
import socket
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from sage.cli import loading
from sage.cli.failures import CannotRun, ExitCode, failures_told, traceback_option
from sage.cli.listening import cannot_listen
from sage.cli.loading import Target, program_argument
from sage.cli.stopping import obeying_signals
from sage.environment import Environment
from sage.loops import fast_loop

__all__ = ["load_app", "serve"]


@click.command(short_help="Serve the program in a file over HTTP.")
@program_argument
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="With 0, any that is free."
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="API keys, one a line, for a program; an app has its own.",
)
@click.option("--insecure", is_flag=True, help="Listen beyond this machine although everybody is let in.")
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="How long requests may take to finish when the server stops.",
)
@traceback_option
def serve(target: Target, host: str, port: int, keys: Path | None, insecure: bool, grace: int, traceback: bool) -> None:
    """Serve what FILE holds over HTTP until Ctrl-C: an app made by sage.serving.openai_app or sage.serving.app, or a
    sage.Environment, whose endpoints are then served as JSON. ENV is a variable, or a function that returns one.

    \b
      sage serve chat.py
      sage serve chat.py:app --port 9000
      sage serve chat.py:app --host 0.0.0.0 --insecure

    Ctrl-C and SIGTERM take no new requests and finish those that are there; Ctrl-C again breaks them off. What does
    not stop then is left as it is, five seconds later.
    """
    with failures_told(traceback=traceback):
        sys.argv[:] = [str(target.path)]  # the options are not the program's
        from sage.serving.installed import needed
        from sage.serving.listening import check_exposed, listen

        # What takes long to import is imported before the event loop, and its handling of signals, begins.
        needed("sage.serving.uvicorn_server")
        app = load_app(target, _keys_in(keys))
        check_exposed(host, guarded=getattr(app, "guarded", False), insecure=insecure)
        with cannot_listen(host, port):
            listening = listen(host, port)
        with listening, asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(app, listening, grace))


def load_app(target: Target, keys: list[str] | None = None) -> Any:
    """Find what is to be served, and make an app of it if it is a program.

    Args:
        target: what the user named.
        keys: the API keys for a program; `None` to let everybody in.

    Raises:
        CannotRun: the file cannot be loaded, or holds nothing to serve.
        GraphError: the keys cannot be.
    """
    from sage.serving import app

    with loading.errors_of(target.path, "cannot be loaded"):
        module = loading.import_file(target.path)
    made = _only(module, target.path) if target.name is None else _named(module, target.path, target.name)
    if isinstance(made, Environment):
        return app(made, auth=keys)
    if keys is not None:
        raise CannotRun(f"--keys is for programs, and {target.path} holds an app: give it auth= where it is made")
    return made


def _only(module: ModuleType, path: Path) -> Any:
    apps = _apps(module)
    if len({id(app) for app in apps.values()}) > 1:
        raise CannotRun(f"{path} has several apps; name one:\n" + "\n".join(f"    {path}:{name}" for name in apps))
    return next(iter(apps.values())) if apps else loading.only_environment(module, path)


def _apps(module: ModuleType) -> dict[str, Any]:
    from sage.serving import ServingApp

    return {name: value for name, value in vars(module).items() if isinstance(value, ServingApp)}


def _named(module: ModuleType, path: Path, name: str) -> Any:
    found = getattr(module, name, None)
    if isinstance(found, Environment):
        return found
    if not callable(found):
        there = [f"{path}:{name}" for name, value in vars(module).items() if isinstance(value, Environment)]
        there += [f"{path}:{name}" for name in _apps(module)]
        what = f"{name!r} is no app" if hasattr(module, name) else f"there is no {name!r}"
        raise CannotRun(f"{path}: {what}; there is {', '.join(there) or 'neither a program nor an app in it'}")
    if not inspect.isfunction(found) or inspect.iscoroutinefunction(found):
        return found  # an ASGI app: an object that can be called, or an async function
    with loading.errors_of(f"{path}:{name}", "failed"):
        made = found()
    if not isinstance(made, Environment) and not callable(made):
        raise CannotRun(f"{path}:{name} returned a {type(made).__name__}, not a sage.Environment or an ASGI app")
    return made


def _keys_in(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise CannotRun(f"--keys {path}: it is no text in UTF-8") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise CannotRun(f"--keys {path}: there is no key in it, so nobody could come in; write one a line")
    return keys


async def _serve(app: Any, listening: socket.socket, grace: int) -> None:
    from sage.serving.uvicorn_server import HttpServer

    started = partial(click.echo, f"serving {_name_of(app)} at http://{_shown(listening)}; press Ctrl-C to stop")
    server = HttpServer(app, grace=grace, on_start=started, say=partial(click.echo, err=True))
    async with obeying_signals(server, grace=grace):
        if not await server.run(listening):
            raise click.exceptions.Exit(ExitCode.CANNOT_RUN)


def _name_of(app: Any) -> str:
    return repr(getattr(app, "name", type(app).__name__))


def _shown(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
