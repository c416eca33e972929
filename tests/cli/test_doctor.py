"""``sage doctor``."""

import json
import re
import tempfile
import tomllib
from pathlib import Path

import pytest

import sage
from sage.cli import checks
from sage.cli.checks import Check, State
from tests.cli.conftest import ROOT, Invoke

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def required(requirements: list[str]) -> dict[str, str]:
    """Lowest versions by distribution."""
    found = (re.match(r"([\w-]+)>=([\d.]+)", requirement) for requirement in requirements)
    return {match[1]: match[2] for match in found if match}


def test_everything_here_works(invoke: Invoke) -> None:
    result = invoke("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert all(line[0] in "✓–" for line in lines)
    assert [line.split()[1] for line in lines][:4] == ["python", "sage", "aiolimiter", "anyio"]
    assert re.search(r"✓ pipeline +right, [\d,]+ records/s", lines[-1])


def test_as_json(invoke: Invoke) -> None:
    found = json.loads(invoke("doctor", "--json").stdout)
    assert found["works"] is True
    by_subject = {check["subject"]: check for check in found["checks"]}
    assert by_subject["sage"]["found"].startswith(sage.__version__)
    assert by_subject["pipeline"] == {
        "subject": "pipeline",
        "state": "ok",
        "found": by_subject["pipeline"]["found"],
        "advice": "",
    }


def test_what_is_broken_is_code_1_and_says_what_to_do(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CORE", {"sage-no-such-package": ("1.0", "sage_no_such_module")})
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "✗ sage-no-such-package not installed  → pip install 'sage-no-such-package>=1.0'\n" in result.stdout
    assert "✓ pipeline" in result.stdout  # the rest is looked at all the same
    assert json.loads(invoke("doctor", "--json").stdout)["works"] is False


def test_it_looks_for_what_the_project_requires() -> None:
    assert {name: lowest for name, (lowest, _) in checks.CORE.items()} == required(PROJECT["dependencies"])
    extras = PROJECT["optional-dependencies"]
    assert {name: required(extras[name]) for name in extras if name != "dev"} == checks.EXTRAS


def test_a_package_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CORE", {"click": ("999.1", "click")})
    check = checks.dependency("click")
    assert (check.state, check.advice) == (State.BROKEN, "pip install 'click>=999.1'")
    assert check.found.endswith("sage needs 999.1 or later")


def test_a_package_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "CORE", {"click": ("8.1", "sage_no_such_module")})
    check = checks.dependency("click")
    assert check.state is State.BROKEN
    assert "cannot be imported: No module named" in check.found


def test_an_extra_that_is_there_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        checks, "EXTRAS", {"some": {"click": "8.1", "sage-no-such-package": "1"}, "all": {"click": "8.1"}}
    )
    check = checks.extra("some")
    assert (check.state, check.found) == (State.OPTIONAL, "without sage-no-such-package")
    assert check.advice.endswith("pip install 'sage-streams[some]'")
    assert checks.extra("all").state is State.OK


def test_a_temp_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "missing"))
    check = checks.temporary_folder()
    assert (check.state, check.advice) == (State.BROKEN, "set TMPDIR to a folder that can be written")


def test_shared_memory_where_there_is_none(folder: Path) -> None:
    assert list(checks.shared_memory(folder / "missing")) == []
    (check,) = checks.shared_memory(folder)
    assert check.found.startswith(f"{folder}, ")


@pytest.mark.parametrize(("limit", "state"), [(64, State.OPTIONAL), (4096, State.OK)])
def test_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, limit: int, state: State) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert list(checks.open_files()) == [
        Check("open files", state, f"{limit:,} at a time", "ulimit -n 4096" if state is State.OPTIONAL else "")
    ]


def test_a_pipeline_that_gives_something_else() -> None:
    def lazy(env: sage.Environment) -> sage.JobResult:
        return sage.run(sage_of_nothing())

    def sage_of_nothing() -> sage.Environment:
        env = sage.Environment("other")
        env.from_iterable([1]).collect()
        return env

    check = checks.pipeline(lazy)
    assert check.state is State.BROKEN
    assert check.found.startswith("gave [] and should give [")


def test_a_pipeline_that_fails() -> None:
    def failing(env: sage.Environment) -> sage.JobResult:
        raise RuntimeError("no loop")

    check = checks.pipeline(failing)
    assert (check.state, check.found) == (State.BROKEN, "RuntimeError: no loop")


@pytest.mark.parametrize(
    ("text", "numbers"), [("26.2", (26, 2)), ("1.2.3rc1", (1, 2, 3)), ("2.0.dev0", (2, 0)), ("", ())]
)
def test_the_numbers_of_a_version(text: str, numbers: tuple[int, ...]) -> None:
    assert checks._numbers(text) == numbers
