"""A few files of the standard library, and what the interpreter itself knows of them."""

import inspect
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["STDLIB", "copied", "documented"]

STDLIB = Path(sysconfig.get_path("stdlib"))


def copied(names: list[str], folder: Path) -> Path:
    """Have files of the standard library in a folder of their own."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STDLIB / name, folder / name)
    return folder


def documented(module: ModuleType) -> dict[str, Any]:
    """What a module defines and documents for its users, by qualified name: found by importing it, not by parsing."""
    return {f"{module.__name__}.{name}": thing for name, thing in _public(vars(module), module.__name__)}


def _public(namespace: Any, module: str, scope: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in namespace.items():
        thing = inspect.unwrap(_plain(value)) if callable(_plain(value)) else None
        private = name.startswith("_") and not name.endswith("__")
        if thing is None or private or getattr(thing, "__module__", None) != module:
            continue
        if thing.__qualname__ != scope + name:  # another name of the same thing, or something generated
            continue
        if vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__:
            yield scope + name, thing
        if inspect.isclass(thing):
            yield from _public(vars(thing), module, f"{scope}{name}.")


def _plain(value: Any) -> Any:
    """The function behind a property and the like."""
    return getattr(value, "fget", None) or getattr(value, "__func__", value)
