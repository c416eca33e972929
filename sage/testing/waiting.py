"""Tells where a task waits, from its outermost function to the innermost."""

import asyncio
from collections.abc import Iterator
from pathlib import PurePath
from types import FrameType
from typing import Any

__all__ = ["describe"]


def describe(task: asyncio.Task[Any]) -> str:
    """One line: the task's name, and the functions it is inside of with their lines."""
    return f"{task.get_name()} in {' > '.join(_steps(task)) or 'C code'}"


def _steps(task: asyncio.Task[Any]) -> Iterator[str]:
    for frame in _frames(task.get_coro()):
        yield f"{frame.f_code.co_qualname} ({PurePath(frame.f_code.co_filename).name}:{frame.f_lineno})"


def _frames(awaited: Any) -> Iterator[FrameType]:
    # A coroutine, an old-style one, or an asynchronous generator; what is none of these (a future) ends the chain.
    while awaited is not None:
        for frame, inner in (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")):
            if getattr(awaited, frame, None) is not None:
                yield getattr(awaited, frame)
                awaited = getattr(awaited, inner)
                break
        else:
            return
