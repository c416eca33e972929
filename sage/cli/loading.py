"""From ``FILE[:ENV]`` to an environment."""

import inspect
import sys
import traceback as tracebacks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from sage.cli.failures import CannotRun, place_of, what_happened
from sage.environment import Environment

__all__ = [
    "Target",
    "errors_of",
    "import_file",
    "load_environment",
    "named_environment",
    "only_environment",
    "program_argument",
]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLE = """\
    import sage

    env = sage.Environment("hello")
    env.from_iterable(range(10)).map(lambda x: x + 1).sink(print)"""


@dataclass(frozen=True)
class Target:
    """What the user named.

    Attributes:
        path: a Python file, as the user wrote it.
        name: the variable or the function in it; `None` if it was left out.
    """

    path: Path
    name: str | None


def program_argument(command: F) -> F:
    """Give a command the argument ``FILE[:ENV]``, as a `Target` called `target`."""
    return click.argument("target", metavar="FILE[:ENV]", callback=_parse, shell_complete=_complete)(command)


def load_environment(target: Target) -> Environment:
    """Run the program's file as a module, and find its environment.

    The file's folder is put in front of ``sys.path``, where ``python FILE`` puts it, too, and stays there: functions
    may import when they run.

    Raises:
        CannotRun: the file cannot be loaded, or holds no such environment.
    """
    with errors_of(target.path, "cannot be loaded"):
        module = import_file(target.path)
    if target.name is None:
        return only_environment(module, target.path)
    return named_environment(module, target.path, target.name)


def _parse(context: click.Context, parameter: click.Parameter, value: str) -> Target:
    path, name = value, None
    if ":" in value and not Path(value).is_file():
        path, _, name = value.rpartition(":")
        if not name.isidentifier():
            raise click.BadParameter(
                f"{name!r} is not the name of a variable or a function; write FILE:ENV", context, parameter
            )
    if not path:
        raise click.BadParameter(f"{value!r} names no file; write FILE:ENV", context, parameter)
    if Path(path).is_dir():
        raise click.BadParameter(f"{path!r} is a folder; name a Python file in it", context, parameter)
    if not Path(path).is_file():
        hint = f"; there is {path}.py" if Path(f"{path}.py").is_file() else ""
        raise click.BadParameter(f"there is no file {path!r}{hint}", context, parameter)
    return Target(Path(path), name)


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


class _ProgramLoader(SourceFileLoader):
    """Like ``python FILE`` it writes no bytecode beside the program, and takes files of any suffix."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def import_file(path: Path) -> ModuleType:
    """Run a Python file as a module."""
    full = str(path.resolve())
    sys.path.insert(0, str(Path(full).parent))
    name = _module_name(path)
    loader = _ProgramLoader(name, full)
    module = module_from_spec(ModuleSpec(name, loader, origin=full))
    module.__file__ = full
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's name, which other modules in the folder may import it by; another one if a module has that already.

    Never ``__main__``: a program that ends with ``if __name__ == "__main__": sage.run(env)`` would run twice.
    """
    name = path.stem
    while name in sys.modules or name == "__main__":
        name += "_program"
    return name


def only_environment(module: ModuleType, path: Path) -> Environment:
    """The one program that a file holds.

    Raises:
        CannotRun: there is none, or there are several.
    """
    found = _environments(module)
    makers = _makers(module)
    if not found and len(makers) == 1:
        return _made(getattr(module, makers[0]), f"{path}:{makers[0]}")
    if not found:
        raise CannotRun(f"{path} has no environment.{_hint(module, path)}")
    if len({id(env) for env in found.values()}) > 1:
        raise CannotRun(
            f"{path} has several environments; name one:\n" + "\n".join(f"    {path}:{name}" for name in found)
        )
    return next(iter(found.values()))


def named_environment(module: ModuleType, path: Path, name: str) -> Environment:
    """The program that a file calls `name`: a variable, or a function that returns one.

    Raises:
        CannotRun: it is neither.
    """
    if not hasattr(module, name):
        names = [*_environments(module), *_makers(module)]
        there = "; there is " + ", ".join(f"{path}:{other}" for other in names) if names else f".{_hint(module, path)}"
        raise CannotRun(f"{path} has no {name!r}{there}")
    value = getattr(module, name)
    if isinstance(value, Environment):
        return value
    if not callable(value):
        raise CannotRun(
            f"{path}:{name} is a {type(value).__name__}, not a sage.Environment or a function that returns one"
        )
    return _made(value, f"{path}:{name}")


def _made(function: Callable[..., Any], shown: str) -> Environment:
    if inspect.iscoroutinefunction(function):
        raise CannotRun(f"{shown} is an async function; write a plain one that returns a sage.Environment")
    if _needs_arguments(function):
        raise CannotRun(f"{shown} needs arguments; write a function without arguments that returns a sage.Environment")
    with errors_of(shown, "failed"):
        made = function()
    if not isinstance(made, Environment):
        raise CannotRun(f"{shown} returned a {type(made).__name__}, not a sage.Environment")
    return made


def _environments(module: ModuleType) -> dict[str, Environment]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Environment)}


def _makers(module: ModuleType) -> list[str]:
    """Functions of the module that say they return an environment."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and "Environment" in str(value.__annotations__.get("return"))
        and not _needs_arguments(value)
    ]


def _needs_arguments(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # built in, and does not say
        return False
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is p.empty and p.kind not in optional for p in parameters)


def _hint(module: ModuleType, path: Path) -> str:
    makers = _makers(module)
    if makers:
        return " Name the function that makes it:\n" + "\n".join(f"    {path}:{name}" for name in makers)
    return f" Write one, outside of functions and of if __name__ == ...:\n{_EXAMPLE}"


@contextmanager
def errors_of(subject: object, what: str) -> Iterator[None]:
    """Tell of what the user's code raises while it is loaded."""
    try:
        yield
    except SyntaxError as error:
        text = "".join(tracebacks.format_exception_only(error)).rstrip()
        raise CannotRun(f"{subject} {what}:\n{text}") from error
    except SystemExit as error:
        raise CannotRun(f"{subject} {what}: it ended itself with sys.exit({error.code!r})") from error
    except Exception as error:
        place = place_of(error)
        raise CannotRun(f"{subject} {what}: {what_happened(error)}" + (f"\n  {place}" if place else "")) from error
