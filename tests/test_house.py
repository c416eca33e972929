"""The house around the code: packaging, links, layers, facades and the size of files."""

import ast
import fnmatch
import importlib
import logging.config
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
ISLANDS = ("transports", "operators")

# Those whose `__init__.py` loads some of its names on first use: the facade, the two that grow with every operator and
# every transport, and the graph, which is planned when it is run.
LAZY = ("sage", "sage.graph", *(f"sage.{island}" for island in ISLANDS))

# Loaded on first use, so that a program which needs none of them starts quickly.
HEAVY = (
    *("click", "cloudpickle", "httpx2", "msgspec", "numpy", "openai", "prometheus_client", "pydantic", "ray", "rich"),
    *("starlette", "torch", "transformers", "uvicorn", "uvloop", "zmq"),
)
# Not heavy, but more than programs are written with: what runs them, and what the standard library takes long to load.
LATER = (
    *("anyio", "concurrent.futures.thread", "decimal", "hashlib", "random", "tempfile", "uuid"),
    *("sage.graph.plan", "sage.jobs", "sage.operators.map", "sage.runtime", "sage.transports.memory"),
)


def python_files(*folders: str) -> Iterator[Path]:
    """The real Python files below the folders of the root, each once: links are not followed."""
    for folder in folders:
        for directory, _, names in os.walk(ROOT / folder):
            yield from sorted(Path(directory) / name for name in names if name.endswith(".py"))


def packages_on_disk() -> dict[str, Path]:
    """Every folder that holds Python files, by the name it is imported under."""
    roots = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}
    return {
        ".".join((name, *file.parent.relative_to(root).parts)): file.parent
        for name, root in roots.items()
        for file in python_files(str(root))
    }


PACKAGES = packages_on_disk()


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_pyproject_lists_every_package() -> None:
    assert SETUPTOOLS["packages"] == sorted(PACKAGES)


def test_every_package_has_an_init_file() -> None:
    assert [name for name, folder in PACKAGES.items() if not (folder / "__init__.py").is_file()] == []


def test_every_file_that_is_not_python_is_package_data() -> None:
    def is_packaged(package: str, file: Path) -> bool:
        patterns = SETUPTOOLS["package-data"].get(package, [])
        return file.suffix == ".py" or any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)

    files = [(name, file) for name, folder in PACKAGES.items() for file in folder.iterdir() if file.is_file()]
    assert [relative(file) for name, file in files if not is_packaged(name, file)] == []


def test_the_package_is_marked_as_typed() -> None:
    assert (ROOT / "sage" / "py.typed").is_file()


@pytest.mark.parametrize("island", ISLANDS)
def test_the_links_are_relative_and_point_to_the_islands(island: str) -> None:
    link = ROOT / "sage" / island
    assert link.is_symlink()
    assert link.readlink() == Path("..", island)
    assert link.resolve() == ROOT / island


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_assignment_to(node: ast.stmt, *names: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [ast.unparse(target) for target in targets] in [[name] for name in names]


def is_import_for_checkers(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        and not node.orelse
        and all(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body)
    )


def is_lazy_attribute(node: ast.stmt) -> bool:
    """`__getattr__`, `__dir__` and the table they read: what lets `import sage` stay light. Checkers see imports."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "not TYPE_CHECKING":
        functions = [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]
        return functions == ["__getattr__", "__dir__"] and len(node.body) == 2 and not node.orelse
    return is_assignment_to(node, "_LAZY") or is_import_for_checkers(node)


def only_re_exports(node: ast.stmt, *, lazily: bool) -> bool:
    plain = isinstance(node, ast.Import | ast.ImportFrom) or is_docstring(node) or is_assignment_to(node, "__all__")
    return plain or (lazily and is_lazy_attribute(node))


@pytest.mark.parametrize("package", PACKAGES)
def test_init_files_only_re_export(package: str) -> None:
    path = PACKAGES[package] / "__init__.py"
    others = [node for node in parse(path).body if not only_re_exports(node, lazily=package in LAZY)]
    assert [f"{relative(path)}:{node.lineno}" for node in others] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_true(package: str) -> None:
    module = importlib.import_module(package)
    names = module.__all__
    assert list(names) == sorted(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", LAZY)
def test_lazy_names_are_those_that_checkers_are_told_of(package: str) -> None:
    path = PACKAGES[package] / "__init__.py"
    blocks = [node for node in parse(path).body if isinstance(node, ast.If) and is_import_for_checkers(node)]
    told = [
        alias.asname or alias.name
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(told) == sorted(importlib.import_module(package)._LAZY)


@pytest.mark.parametrize("package", LAZY)
def test_a_lazy_package_lists_its_names_and_knows_no_others(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Enviroment'"):
        getattr(module, "Enviroment")  # noqa: B009  # as an attribute, checkers refuse it, too


def test_no_file_is_longer_than_400_lines() -> None:
    files = python_files("sage", *ISLANDS, "benchmarks", "examples")
    lengths = {relative(file): len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_islands_are_imported_by_their_installed_names() -> None:
    files = python_files("sage", *ISLANDS, "tests", "benchmarks", "examples")
    imports = [(relative(file), name) for file in files for name in imported_modules(parse(file))]
    assert [(file, name) for file, name in imports if name.split(".")[0] in ISLANDS] == []


def test_imports_point_down(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])  # the linter adds to it
    monkeypatch.setattr(logging.config, "dictConfig", lambda config: None)  # it would silence the loggers there are
    outcome = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert outcome == 0, capsys.readouterr().out


def test_importing_sage_is_light() -> None:
    program = f"import sage, sys; print(*sorted(set({HEAVY + LATER!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
