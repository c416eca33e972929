"""The pages and the examples: their code runs and prints what they say, and their links lead somewhere.

Conventions of a page:

* Blocks marked ``python`` are run, in order and in one namespace. They may await outside of functions: that runs in an
  event loop whose time is virtual, so no page takes longer because it waits.
* A page that says ``<!-- real time -->`` talks over sockets, which know nothing of virtual time: it runs in an ordinary
  event loop.
* Functions called ``test_...`` are called when the block that defines them has run.
* A ``text`` or ``mermaid`` block right behind is all that the block prints; a block that prints has one.
* A command ``$ sage ...`` in a block marked ``console`` is run in the root of the project and prints the lines below
  it. If there are none, it is only looked at: there is such a command, with such options.

An example tells in its docstring, behind ``It prints::``, what it prints.
"""

import ast
import asyncio
import importlib
import inspect
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from inspect import CO_COROUTINE, cleandoc
from itertools import takewhile
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from click.testing import CliRunner

import sage
import sage.errors
from sage.cli.main import cli
from sage.stream import ConnectedStreams, RoutedStreams
from sage.stream.feedback import FeedbackLoop
from sage.testing import VirtualLoop
from tests.pages import ROOT, Block, Page, pages

PAGES = pages()
SCRIPTS = [ROOT / "examples" / "worker_processes.py"]
EXAMPLES = sorted(set((ROOT / "examples").glob("*.py")) - set(SCRIPTS))
NOTES = [page for page in PAGES if page.path.parent.name == "design" and page.path.name[0].isdigit()]


def page_of(name: str) -> Page:
    return next(page for page in PAGES if page.name == name)


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What running programs leaves behind in the interpreter is taken back."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "examples")):
            del sys.modules[name]


# ---- code


def run_block(block: Block, page: Page, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    known = dict(namespace)
    source = "\n" * block.line + block.text  # so that a traceback names the line of the page
    code = compile(source, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    awaited = eval(code, namespace)
    if code.co_flags & CO_COROUTINE:
        runner.run(awaited)
    for name, value in list(namespace.items()):
        if name.startswith("test_") and known.get(name) is not value:
            value()


def output_of(page: Page, number: int) -> str:
    """What a page says that one of its blocks prints."""
    following = page.blocks[number + 1 : number + 2]
    return following[0].text if following and is_output(following[0]) else ""


def is_output(block: Block) -> bool:
    return block.follows and block.language in ("text", "mermaid")


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.text], ids=lambda page: page.name)
def test_the_code_of_a_page_runs_and_prints_what_it_says(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    real = "<!-- real time -->" in page.text
    with asyncio.Runner(loop_factory=None if real else VirtualLoop) as runner:
        for number, block in enumerate(page.blocks):
            if block.language == "python":
                run_block(block, page, namespace, runner)
                assert capsys.readouterr().out == output_of(page, number), f"{page.name}:{block.line}"
        assert asyncio.all_tasks(runner.get_loop()) == set()


def commands_of(page: Page) -> Iterator[tuple[list[str], str]]:
    """The commands of a page, and what it says that they print."""
    for block in page.blocks:
        if block.language == "console":
            for entry in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = entry.partition("\n")
                yield shlex.split(command, comments=True), output


def check_command(words: list[str]) -> None:
    """Refuse a command or an option that there is not."""
    arguments = list(takewhile(lambda word: word not in (">", "|"), words))
    command: click.Command = cli if arguments[0].startswith("-") else cli.commands[arguments.pop(0)]
    command.make_parser(click.Context(command)).parse_args(arguments)


@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in page.text], ids=lambda page: page.name)
@pytest.mark.usefixtures("interpreter")
def test_the_commands_of_a_page_are_there_and_print_what_it_says(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for words, output in commands_of(page):
        if words[0] == "sage":
            check_command(words[1:])
            if output.strip():
                assert CliRunner().invoke(cli, words[1:]).stdout == output, words


# ---- examples


def promised(example: Path) -> str:
    """What an example says that it prints."""
    docstring = cleandoc(ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or "")
    _, _, output = docstring.partition("It prints::\n")
    assert output, f"{example.name} does not say what it prints"
    return dedent(output).strip() + "\n"


@pytest.mark.parametrize("example", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_what_it_says(example: Path) -> None:
    # In a process of its own: it starts others, which import it again.
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert (done.stdout, done.returncode) == (promised(example), 0), done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out == promised(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.usefixtures("interpreter")
def test_an_example_does_the_same_under_the_command(example: Path) -> None:
    done = CliRunner().invoke(cli, ["run", "--quiet", str(example)])
    assert (done.stdout, done.exit_code) == (promised(example), 0), done.output


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_builds_a_new_program_each_time(example: Path) -> None:
    build = runpy.run_path(str(example))["build"]
    first, second = build(), build()
    assert isinstance(first, sage.Environment)
    assert first is not second
    assert str(first.graph()) == str(second.graph())


def test_every_example_is_shown_in_the_documentation() -> None:
    linked = {page.target(link)[0] for page in PAGES for link in page.links}
    assert [example.name for example in [*EXAMPLES, *SCRIPTS] if example not in linked] == []


# ---- links and names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    by_path = {other.path: other for other in PAGES}
    for link in page.links:
        path, anchor = page.target(link)
        assert path.exists(), f"{page.name}: there is no {link}"
        if anchor:
            assert anchor in by_path[path].anchors, f"{page.name}: {link} has no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    by_path = {page.path: page for page in PAGES}
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in by_path and path not in reached:
            reached.add(path)
            ahead.extend(by_path[path].target(link)[0] for link in by_path[path].links)
    assert [page.name for page in PAGES if page.path not in reached] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_sage_are_there(page: Page) -> None:
    for text in page.code:
        for dotted in re.findall(r"(?<![\w.])sage(?:\.[A-Za-z]\w*)+", text):
            assert resolves(dotted), f"{page.name}: there is no {dotted}"


def resolves(dotted: str) -> bool:
    found: Any = sage
    path = "sage"
    for name in dotted.split(".")[1:]:
        path = f"{path}.{name}"
        if not hasattr(found, name):
            try:
                importlib.import_module(path)
            except ModuleNotFoundError:
                return False
        found = getattr(found, name)
    return True


# ---- nothing is left out


def public_methods(*kinds: type) -> set[str]:
    return {
        name
        for kind in kinds
        for name, member in inspect.getmembers(kind)
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_every_operator_has_an_entry_and_every_entry_an_operator() -> None:
    titles = page_of("docs/operators.md").titles
    entries = {title.strip("`") for title in titles if title.startswith("`")}
    of_streams = public_methods(sage.Stream, sage.KeyedStream, FeedbackLoop)
    of_parts = {f"connect(...).{name}" for name in public_methods(ConnectedStreams)}
    made = {"endpoint", "from_iterable", "from_source", "feedback"}
    sources = made | {f"sage.sources.{name}" for name in sage.sources.__all__}
    sinks = {f"sage.sinks.{name}" for name in sage.sinks.__all__}
    assert public_methods(RoutedStreams) == set()
    assert entries == of_streams | of_parts | sources | sinks


def test_every_option_of_an_operator_is_explained() -> None:
    from sage.stream.options import CallOptions

    told = page_of("docs/operators.md").code
    assert [option for option in CallOptions.__annotations__ if option not in told] == []


def test_every_command_and_its_options_are_explained_and_no_others() -> None:
    page = page_of("docs/cli.md")
    told = {text.split()[0] for text in page.code if text.startswith("--")}
    options = {
        option
        for command in cli.commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert [name for name in cli.commands if f"`sage {name}`" not in page.titles] == []
    assert told == options | {"--help"}


def test_every_helper_of_sage_testing_is_explained() -> None:
    told = " ".join(page_of("docs/testing.md").code)
    assert [name for name in sage.testing.__all__ if name not in told] == []


def test_the_wire_formats_are_those_of_the_code() -> None:
    parts = re.compile(r"From `([\w/.]+)`:\n\n```text\n(.*?)```", re.DOTALL)
    for path, text in parts.findall(page_of("docs/wire-format.md").text):
        docstring = cleandoc(ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or "")
        assert text == docstring + "\n", path


def test_every_error_is_explained() -> None:
    told = page_of("docs/concepts/errors.md").text
    assert [name for name in sage.errors.__all__ if name not in told] == []


@pytest.mark.parametrize("note", NOTES, ids=lambda page: page.path.stem)
def test_a_design_note_says_why(note: Page) -> None:
    title, *headings = note.titles
    assert title.startswith(f"{note.path.name[:4]} ")
    assert headings == ["Context", "Decision", "Consequences", "Refused"]


def test_design_notes_are_numbered_in_order() -> None:
    assert [note.path.name[:4] for note in NOTES] == [f"{number:04}" for number in range(1, len(NOTES) + 1)]


def test_the_glossary_is_sorted() -> None:
    _, *terms = page_of("docs/glossary.md").titles
    assert terms == sorted(terms, key=str.lower)
