"""A loop: each number goes around until it is 1, and the program ends by itself when nothing is left inside.

A number is halved if it is even; else it becomes three times itself plus one. It prints::

    1 needs 0 steps
    2 needs 1 steps
    4 needs 2 steps
    5 needs 5 steps
    3 needs 7 steps
    6 needs 8 steps
    7 needs 16 steps
"""

from typing import NamedTuple

import sage


class Walk(NamedTuple):
    """A number on its way."""

    start: int
    at: int
    steps: int = 0


def step(walk: Walk) -> Walk:
    """One step further."""
    following = walk.at // 2 if walk.at % 2 == 0 else 3 * walk.at + 1
    return Walk(walk.start, following, walk.steps + 1)


def where(walk: Walk) -> str:
    """The part of the stream that a number belongs to."""
    return "done" if walk.at == 1 else "on the way"


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("collatz")
    loop = env.feedback()
    walks = env.from_iterable(range(1, 8), name="starts").map(lambda start: Walk(start, start))
    parts = walks.union(loop.stream).route(where)
    loop.close(parts["on the way"].map(step))
    parts["done"].map(lambda walk: f"{walk.start} needs {walk.steps} steps").sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
