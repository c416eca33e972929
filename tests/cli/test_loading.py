"""From ``FILE[:ENV]`` to an environment."""

import sys
from pathlib import Path

import click
import pytest

import sage
from sage.cli.failures import CannotRun
from sage.cli.loading import Target, load_environment
from tests.cli.conftest import Invoke, Program

ONE = """
    import sage

    env = sage.Environment("one")
    env.from_iterable([1, 2, 3]).sink(lambda x: None)
"""
TWO = """
    import sage

    first = sage.Environment("1")
    second = sage.Environment("2")
    same = second
"""


def load(file: str, name: str | None = None) -> sage.Environment:
    return load_environment(Target(Path(file), name))


def refusal(file: str, name: str | None = None) -> str:
    with pytest.raises(CannotRun) as caught:
        load(file, name)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_the_only_environment_of_a_file(program: Program) -> None:
    assert load(program(ONE)).name == "one"


def test_one_environment_under_two_names_is_one(program: Program) -> None:
    assert load(program(ONE + "\n    again = env\n")).name == "one"


def test_an_environment_by_name(program: Program) -> None:
    assert load(program(TWO), "second").name == "2"


@pytest.mark.parametrize("signature", ["build()", "build(name='made')", "build(*names, **options)"])
def test_a_function_that_returns_one(program: Program, signature: str) -> None:
    file = program(f"""
        import sage

        def {signature}:
            return sage.Environment("made")
    """)
    assert load(file, "build").name == "made"


def test_the_file_is_not_main(program: Program) -> None:
    file = program(ONE + "\n    if __name__ == '__main__':\n        raise SystemExit('ran twice')\n")
    assert load(file).name == "one"


def test_the_file_is_a_module_of_its_name(program: Program) -> None:
    load(program(ONE + "\n    assert __name__ == 'pipeline', __name__\n", "pipeline.py"))
    assert sys.modules["pipeline"].__file__ == str(Path("pipeline.py").resolve())


@pytest.mark.parametrize("name", ["sage.py", "json.py", "__main__.py"])
def test_the_name_of_a_module_that_is_there_is_not_taken(program: Program, name: str) -> None:
    before = sys.modules[Path(name).stem]
    assert load(program(ONE, name)).name == "one"
    assert sys.modules[Path(name).stem] is before


def test_modules_beside_the_file_can_be_imported(program: Program) -> None:
    program("NAME = 'beside'", "settings_beside.py")
    assert (
        load(program("import sage, settings_beside\nenv = sage.Environment(settings_beside.NAME)\n")).name == "beside"
    )


def test_what_is_changed_is_read_anew_and_nothing_is_left_beside_the_file(program: Program, folder: Path) -> None:
    assert load(program(ONE)).name == "one"
    assert load(program(ONE.replace('"one"', '"two"'))).name == "two"
    assert [path.name for path in folder.iterdir()] == ["program.py"]


def test_any_suffix_will_do(program: Program) -> None:
    assert load(program(ONE, "pipeline.txt")).name == "one"


def test_dataclasses_and_their_annotations_work(program: Program) -> None:
    file = program("""
        from __future__ import annotations
        from dataclasses import dataclass, field
        from typing import ClassVar
        import sage

        @dataclass
        class Settings:
            kind: ClassVar[str] = "k"
            names: list[str] = field(default_factory=lambda: ["env"])

        env = sage.Environment(Settings().names[0])
    """)
    assert load(file).name == "env"


def test_a_file_without_an_environment_shows_what_to_write(program: Program) -> None:
    message = refusal(program("x = 1"))
    assert message.startswith("program.py has no environment.")
    assert "env = sage.Environment(" in message
    assert ".sink(print)" in message


def test_the_only_function_that_makes_one_is_called(program: Program) -> None:
    file = program("""
        import sage

        def build() -> sage.Environment:
            return sage.Environment("built")

        def with_name(name: str) -> sage.Environment: ...
        def other() -> int: ...
    """)
    assert load(file).name == "built"


def test_a_file_with_functions_that_make_one_names_them(program: Program) -> None:
    message = refusal(
        program("""
            import sage

            def build() -> sage.Environment: ...
            def build_twice() -> sage.Environment: ...
            def with_name(name: str) -> sage.Environment: ...
            def other() -> int: ...
        """)
    )
    assert "\n    program.py:build\n    program.py:build_twice" in message
    assert "with_name" not in message
    assert "other" not in message


def test_several_environments_are_listed(program: Program) -> None:
    lines = refusal(program(TWO)).splitlines()
    assert lines == [
        "program.py has several environments; name one:",
        *(f"    program.py:{name}" for name in ("first", "second", "same")),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("third", "has no 'third'; there is program.py:first, program.py:second, program.py:same"),
        ("number", "program.py:number is a int, not a sage.Environment"),
        ("takes", "program.py:takes needs arguments"),
        ("later", "program.py:later is an async function"),
        ("wrong", "program.py:wrong returned a int, not a sage.Environment"),
    ],
)
def test_names_of_something_else_are_refused(program: Program, name: str, message: str) -> None:
    file = program(
        TWO
        + """
    number = 5
    def takes(x): ...
    async def later(): ...
    def wrong(): return 5
    """
    )
    assert message in refusal(file, name)


def test_a_syntax_error_is_shown_with_its_line(program: Program) -> None:
    message = refusal(program("import sage\nenv = sage.Environment('x'\n"))
    assert message.startswith("program.py cannot be loaded:\n")
    assert "program.py" in message.splitlines()[1]
    assert "line 2" in message.splitlines()[1]
    assert message.endswith("SyntaxError: '(' was never closed")


def test_an_error_while_loading_is_told_with_its_place(program: Program) -> None:
    program("def divide(x):\n    return 1 / x\n", "dividing_beside.py")
    message = refusal(program("from dividing_beside import divide\n\ndivide(0)\n"))
    assert message.splitlines() == [
        "program.py cannot be loaded: ZeroDivisionError: division by zero",
        "  dividing_beside.py:2, in divide: return 1 / x",
    ]
    assert "program" not in sys.modules


def test_an_error_of_sage_while_loading_speaks_for_itself(program: Program) -> None:
    message = refusal(program("import sage\nenv = sage.Environment('x')\nenv.from_iterable([1]).map(5)\n"))
    first, second = message.splitlines()
    assert first.startswith("program.py cannot be loaded: map")
    assert "GraphError" not in first
    assert second == "  program.py:3: env.from_iterable([1]).map(5)"


def test_an_error_in_the_function_is_told(program: Program) -> None:
    message = refusal(program("def build():\n    raise KeyError('settings')\n"), "build")
    assert (
        message == "program.py:build failed: KeyError: 'settings'\n  program.py:2, in build: raise KeyError('settings')"
    )


def test_a_file_that_exits_is_told(program: Program) -> None:
    assert (
        refusal(program("import sys\nsys.exit(3)\n")) == "program.py cannot be loaded: it ended itself with sys.exit(3)"
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("missing.py", "there is no file 'missing.py'"),
        ("missing.py:env", "there is no file 'missing.py'"),
        ("program", "there is no file 'program'; there is program.py"),
        (":env", "':env' names no file; write FILE:ENV"),
        (".", "'.' is a folder; name a Python file in it"),
        ("program.py:", "'' is not the name of a variable or a function; write FILE:ENV"),
        ("program.py:a b", "'a b' is not the name of a variable or a function; write FILE:ENV"),
    ],
)
def test_what_names_no_file_is_wrong_usage(program: Program, invoke: Invoke, argument: str, message: str) -> None:
    program(ONE)
    result = invoke("graph", argument)
    assert result.exit_code == click.UsageError.exit_code == 2
    assert message in result.stderr


def test_a_file_with_a_colon_in_its_name(program: Program, invoke: Invoke) -> None:
    assert invoke("graph", program(ONE, "a:b.py")).exit_code == 0
