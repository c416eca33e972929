"""What is found in a single file."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from sage.demo.source_code import Function, SourceFile, functions_of, parse, read

SHAPES = '''\
"""A module."""
import functools

def plain(): pass

@functools.cache
@functools.wraps(plain)
def decorated(
    a,
    b=lambda: (yield),
):
    """Documented."""

    def inner():
        """Documented, too."""
        async def innermost():
            return [x async for x in y]
        return innermost
    return inner

class Outer:
    """Not a function."""
    def method(self):
        "Short."
    @property
    async def coroutine(self): yield
    class Inner:
        def method(self):
            b"no docstring"
            class Local:
                def method(self): f"no docstring either"

if plain:
    def in_if(): 0
elif decorated:
    def in_elif(): 0
else:
    def in_else(): 0
for _ in ():
    def in_for(): 0
else:
    def in_for_else(): 0
while plain():
    def in_while(): 0
with plain():
    def in_with(): 0
try:
    def in_try(): 0
except ValueError:
    def in_except(): 0
else:
    def in_try_else(): 0
finally:
    def in_finally(): 0
match plain:
    case 1:
        def in_case(): 0
'''


def found_in(text: str) -> list[Function]:
    return list(functions_of(parse(SourceFile(Path("module.py"), text))))


def compiled_functions(code: CodeType) -> Iterator[tuple[str, bool]]:
    """The qualified names of functions, as the compiler gives them, and whether they are async."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_OPTIMIZED and not constant.co_name.startswith("<"):
                yield (
                    constant.co_qualname,
                    bool(constant.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR)),
                )
            yield from compiled_functions(constant)


@pytest.mark.parametrize("text", [SHAPES, inspect.getsource(inspect)], ids=["shapes", "inspect"])
def test_names_are_those_of_the_compiler(text: str) -> None:
    expected = sorted(compiled_functions(compile(text, "module.py", "exec")))
    assert sorted((function.name, function.is_async) for function in found_in(text)) == expected


def test_a_function_is_described() -> None:
    described = {function.name: function for function in found_in(SHAPES)}
    assert described["decorated"] == Function(
        path=Path("module.py"), line=8, name="decorated", lines=12, is_documented=True, is_async=False
    )
    documented = {name for name, function in described.items() if function.is_documented}
    assert documented == {"decorated", "decorated.<locals>.inner", "Outer.method"}


def test_a_line_is_that_of_the_definition() -> None:
    lines = SHAPES.splitlines()
    for function in found_in(SHAPES):
        definition = "async def" if function.is_async else "def"
        assert lines[function.line - 1].strip().startswith(f"{definition} {function.name.split('.')[-1]}(")


def test_deep_code_is_no_deep_recursion() -> None:
    branches = "".join(f"elif a == {number}: 0\n" for number in range(1_500))
    (function,) = found_in(f"if a: 0\n{branches}else:\n    def last(): 0\n")
    assert function.line == 1_503


@pytest.mark.parametrize(
    ("path", "package"), [("json/decoder.py", "json"), ("os.py", "os"), ("a/b/c.py", "a"), ("a-1.2/b.py", "a-1.2")]
)
def test_the_package_of_a_file(path: str, package: str) -> None:
    assert Function(Path(path), 1, "f", 1, False, False).package == package


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("x = 1", 1), ("x = 1\n", 1), ("\n\fx = 1\n\n", 3)])
def test_lines_are_counted(text: str, lines: int) -> None:
    assert parse(SourceFile(Path("module.py"), text)).lines == lines


def test_a_file_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "below" / "latin.py"
    path.parent.mkdir()
    path.write_bytes("# coding: latin-1\nnaïve = 'é'\n".encode("latin-1"))
    assert read(tmp_path, path) == SourceFile(Path("below/latin.py"), "# coding: latin-1\nnaïve = 'é'\n")
