"""What ``sage doctor`` looks at. Each check is a function that never raises: what goes wrong is what it reports."""

import asyncio
import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sage
from sage.loops import fast_loop

__all__ = ["CORE", "EXTRAS", "Check", "State", "all_checks"]

#: What sage cannot do without: distribution, lowest version, and the module to import.
CORE = {
    "aiolimiter": ("1.2", "aiolimiter"),
    "anyio": ("4.6", "anyio"),
    "click": ("8.1", "click"),
    "cloudpickle": ("3.0", "cloudpickle"),
    "msgpack": ("1.1", "msgpack"),
    "pyzmq": ("26.2", "zmq"),
    "rich": ("13.9", "rich"),
    "stamina": ("24.3", "stamina"),
    **({} if sys.platform == "win32" else {"uvloop": ("0.21", "uvloop")}),
}
#: What the extras add: distributions with their lowest versions.
EXTRAS = {
    "ray": {"ray": "2.40"},
    "serve": {
        "httptools": "0.6.4",
        "msgspec": "0.19",
        "prometheus-client": "0.21",
        "uvicorn": "0.32",
        "websockets": "13",
    },
    "llm": {"httpx2": "2.0"},
    "rag": {"numpy": "2.0", "sqlite-vec": "0.1.6", "usearch": "2.16"},
    "transformers": {"jinja2": "3.1", "torch": "2.4", "transformers": "5"},
    "bench": {
        "aiostream": "0.6.4",
        "bytewax": "0.21",
        "grpcio": "1.60",
        "matplotlib": "3.9",
        "reactivex": "4.0.4",
        "streamz": "0.6.4",
        "xoscar": "0.4",
    },
}

_PYTHON = (3, 11)
_RECORDS = 100_000
_FILES = 1_024
_SHARED_MEMORY = 64 * 2**20


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    #: something is missing that sage can do without
    OPTIONAL = "optional"
    #: something is broken that sage needs
    BROKEN = "broken"


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        subject: what was looked at.
        state: how it came out.
        found: what there is.
        advice: what to do about it; empty if nothing.
    """

    subject: str
    state: State
    found: str
    advice: str = ""


def all_checks() -> Iterator[Check]:
    """Look at everything, one after the other."""
    yield python()
    yield Check("sage", State.OK, f"{sage.__version__} in {Path(sage.__file__).parent}")
    yield from (dependency(name) for name in CORE)
    yield from (extra(name) for name in EXTRAS)
    yield event_loop()
    yield cpus()
    yield temporary_folder()
    yield from shared_memory()
    yield from open_files()
    yield terminal()
    yield pipeline()


def python() -> Check:
    """The version of Python."""
    found = f"{platform.python_version()} ({platform.python_implementation()}) at {sys.executable}"
    if sys.version_info < _PYTHON:
        return Check("python", State.BROKEN, found, f"install Python {_PYTHON[0]}.{_PYTHON[1]} or later")
    return Check("python", State.OK, found)


def dependency(name: str) -> Check:
    """A package that sage needs: there, of a version that will do, and importable."""
    lowest, module = CORE[name]
    there = _installed(name)
    advice = f"pip install '{name}>={lowest}'"
    if there is None:
        return Check(name, State.BROKEN, "not installed", advice)
    if _numbers(there) < _numbers(lowest):
        return Check(name, State.BROKEN, f"{there}, sage needs {lowest} or later", advice)
    try:
        importlib.import_module(module)
    except Exception as error:
        return Check(
            name,
            State.BROKEN,
            f"{there}, but it cannot be imported: {error}",
            f"pip install --force-reinstall '{name}>={lowest}'",
        )
    return Check(name, State.OK, there)


def extra(name: str) -> Check:
    """The packages of an extra."""
    there = {package: _installed(package) for package in EXTRAS[name]}
    wanting = [
        package
        for package, lowest in EXTRAS[name].items()
        if (found := there[package]) is None or _numbers(found) < _numbers(lowest)
    ]
    if wanting:
        return Check(
            f"extra {name}",
            State.OPTIONAL,
            f"without {', '.join(wanting)}",
            f"if you want it: pip install 'sage-streams[{name}]'",
        )
    return Check(f"extra {name}", State.OK, ", ".join(f"{package} {found}" for package, found in there.items()))


def event_loop() -> Check:
    """The event loop that programs run in."""
    try:
        with closing((fast_loop() or asyncio.new_event_loop)()) as loop:
            found = type(loop).__module__
    except Exception as error:
        return Check("event loop", State.BROKEN, f"cannot be made: {error}", "pip install --force-reinstall uvloop")
    return Check("event loop", State.OK, found)


def cpus() -> Check:
    """The processors that this process may use."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else there
    return Check("cpus", State.OK, f"{usable} usable of {there}")


def temporary_folder() -> Check:
    """Whether files can be written to the folder for temporary files."""
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"sage")
            folder = tempfile.gettempdir()
    except OSError as error:
        return Check(
            "temp folder", State.BROKEN, f"cannot be written: {error}", "set TMPDIR to a folder that can be written"
        )
    return Check("temp folder", State.OK, f"{folder}, {_gigabytes(shutil.disk_usage(folder).free)} free")


def shared_memory(folder: Path = Path("/dev/shm")) -> Iterator[Check]:
    """What is free of shared memory, where it is a folder."""
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    enough = free >= _SHARED_MEMORY
    advice = "" if enough else "free some, or give a container more: docker run --shm-size=1g"
    yield Check("shared memory", State.OK if enough else State.OPTIONAL, f"{folder}, {_gigabytes(free)} free", advice)


def open_files() -> Iterator[Check]:
    """How many files and sockets may be open at a time."""
    if sys.platform == "win32":
        return
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = limit == resource.RLIM_INFINITY
    enough = unlimited or limit >= _FILES
    found = "any number" if unlimited else f"{limit:,} at a time"
    yield Check(
        "open files", State.OK if enough else State.OPTIONAL, found, "" if enough else f"ulimit -n {4 * _FILES}"
    )


def terminal() -> Check:
    """What the terminal can show."""
    try:
        from rich.console import Console
    except Exception as error:
        return Check(
            "terminal", State.BROKEN, f"rich cannot be imported: {error}", "pip install --force-reinstall rich"
        )
    console = Console(stderr=True)
    if not console.is_interactive:
        return Check("terminal", State.OK, "none on stderr: sage run prints lines instead of a table")
    return Check(
        "terminal", State.OK, f"{console.color_system or 'no'} colours, {console.width} wide, {console.encoding}"
    )


def pipeline(run: Callable[[sage.Environment], sage.JobResult] = sage.run) -> Check:
    """Whether a small program gives the right result, and how quickly."""
    env = sage.Environment("doctor")
    total = (
        env.from_iterable(range(_RECORDS)).map(lambda x: x + 1).filter(lambda x: x % 2 == 0).sum(emit="end").collect()
    )
    expected = [sum(range(2, _RECORDS + 1, 2))]
    advice = "this should not happen: report it with the output of sage doctor --json"
    try:
        result = run(env)
    except Exception as error:
        return Check("pipeline", State.BROKEN, f"{type(error).__name__}: {error}", advice)
    if total.values != expected:
        return Check("pipeline", State.BROKEN, f"gave {total.values} and should give {expected}", advice)
    return Check("pipeline", State.OK, f"right, {_RECORDS / result.duration:,.0f} records/s through three operators")


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: enough to compare with a lowest one."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
