"""Fresh interpreters, for what can be measured only once in each."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["FreshInterpreter", "fresh_interpreters"]

_ROOT = Path(__file__).resolve().parents[1]

#: Runs a program that leaves numbers in a dictionary ``figures``, and returns it; raises `RuntimeError` if it failed.
FreshInterpreter = Callable[[str], dict[str, Any]]


@contextmanager
def fresh_interpreters() -> Iterator[FreshInterpreter]:
    """Interpreters that find modules compiled once one of them has run, as those of an installed package are.

    The compiled modules lie in a folder of their own, so neither settings nor leftovers of this machine matter.
    """
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        yield partial(_run, {**environment, "PYTHONPYCACHEPREFIX": folder})


def _run(environment: dict[str, str], program: str) -> dict[str, Any]:
    # The checkout comes first on the path of `-c`, as it does for `python -m benchmarks`.
    command = [sys.executable, "-c", f"{program}\nprint(figures)"]
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a program in a fresh interpreter ended with {done.returncode}:\n{done.stderr}")
    figures: dict[str, Any] = ast.literal_eval(done.stdout)
    return figures
