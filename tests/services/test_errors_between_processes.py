"""What a service raises, at a caller in another process and at several callers."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import cloudpickle
import pytest

import sage
from sage.services.remaking import own_copy, pickled
from tests.services.samples import Odd


class Pair(Exception):
    """Made with other arguments than `args`."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")
        self.left = left
        self.right = right


class Pinned(Exception):
    """Holds something of its process."""

    def __init__(self) -> None:
        super().__init__("it stays here")
        self.lock = threading.Lock()


class Forbidding(Exception):
    """Cannot be made again."""

    def __new__(cls, *args: object) -> "Forbidding":
        if not args:
            raise RuntimeError("not again")
        return super().__new__(cls)


ERRORS: dict[str, Any] = {
    "pair": lambda: Pair(1, 2),
    "odd": lambda: Odd(3),
    "group": lambda: ExceptionGroup("several", [ValueError(1), Pair(3, 4)]),
    "file": lambda: FileNotFoundError(2, "No such file", "/no/where"),
    "syntax": lambda: SyntaxError("invalid", ("file", 1, 2, "a b", 1, 3)),
    "unicode": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    "warning": lambda: UserWarning("soon gone"),
}


class Failing(sage.Service):
    """Raises what it is told to."""

    async def fail(self, which: str) -> None:
        error = ERRORS[which]()
        error.add_note("a note of its own")
        raise error

    async def stream(self, which: str) -> AsyncIterator[int]:
        yield 1
        raise ERRORS[which]()

    async def returned(self) -> AsyncIterator[int]:
        return self.stream("pair")  # awaited for it

    async def pinned(self) -> None:
        raise Pinned

    async def behind(self) -> None:
        try:
            str({"other": 1}["key"])
        except KeyError as error:
            raise ValueError("no such key") from error


class Asking(sage.Service):
    """Asks the other one."""

    async def ask(self, which: str) -> None:
        await sage.service("failing").fail(which)


@pytest.mark.parametrize("which", ERRORS)
def test_an_error_is_the_same_when_it_was_pickled_or_copied(which: str) -> None:
    error = ERRORS[which]()
    error.add_note("a note")
    for again in (cloudpickle.loads(pickled(error)), own_copy(error)):
        assert type(again) is type(error)
        assert again is not error
        assert str(again) == str(error)
        if not isinstance(error, ExceptionGroup):
            assert again.args == error.args
        assert vars(again) == vars(error)
        again.add_note("another")
    assert error.__notes__ == ["a note"]


def test_a_copy_tells_where_the_error_was_raised_and_what_was_behind_it() -> None:
    def fail() -> None:
        raise Pair(1, 2) from ValueError("behind")

    with pytest.raises(Pair) as told:
        fail()
    copy = own_copy(told.value)
    assert copy.__traceback__ is told.value.__traceback__
    assert copy.__cause__ is told.value.__cause__


def test_an_error_that_cannot_be_copied_stays_the_one_it_is() -> None:
    error = Forbidding("x")
    error.args = ()
    assert own_copy(error) is error


async def test_errors_arrive_whole_and_tell_once_where_they_come_from() -> None:
    env = sage.Environment("errors")
    env.register_service("failing", Failing, place="zmq")
    env.register_service("asking", Asking, place="zmq")
    async with env.services() as services:
        failing = services["failing"]
        for which, make in ERRORS.items():
            with pytest.raises(type(make())) as told:
                await failing.fail(which)
            assert str(told.value) == str(make())
            own, raised, by = told.value.__notes__
            assert own == "a note of its own"
            assert raised.startswith("raised by 'fail' at ")
            assert "in fail" in raised
            assert "sage/services" not in raised
            assert own not in raised
            assert by == "from service failing.fail (zmq)"
        with pytest.raises(Pair) as streamed:
            assert [item async for item in failing.stream("pair")] == []
        assert str(streamed.value) == "1 and 2"
        with pytest.raises(ValueError, match="no such key") as told:
            await failing.behind()
        assert "KeyError: 'key'" in told.value.__notes__[0]
        with pytest.raises(sage.ServiceError, match=r"failing\.pinned raised Pinned: it stays here") as lost:
            await failing.pinned()
        assert "in pinned" in lost.value.__notes__[0]
        with pytest.raises(sage.UnknownMethod, match=r"failing\.returned: it streams its answer\nfrom service"):
            await failing.returned()

        with pytest.raises(Pair) as passed:
            await services["asking"].ask("pair")
        assert [note.splitlines()[0].partition(" at ")[0] for note in passed.value.__notes__] == [
            "a note of its own",
            "raised by 'fail'",
            "from service failing.fail (zmq)",
            "raised by 'ask'",
            "from service asking.ask (zmq)",
        ]
