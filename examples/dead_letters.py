"""Sets records aside that cannot be worked on, and goes on with the others.

The letters tell what was wrong with each. It prints::

    line 1: 20.5 degrees in Oslo
    line 2: set aside by parse: ValueError: could not convert string to float: 'warm'
    line 3: 31.0 degrees in Lima
    line 4: set aside by parse: ValueError: not enough values to unpack (expected 2, got 1)
    line 5: -4.2 degrees in Nuuk
"""

from typing import NamedTuple

import sage

LINES = ["Oslo 20.5", "Bonn warm", "Lima 31", "Kyiv", "Nuuk -4.2"]


class Line(NamedTuple):
    """A line of the input."""

    number: int
    text: str


def parse(line: Line) -> tuple[int, str]:
    """The line's number and what it says; fails on a line that is wrong."""
    place, degrees = line.text.split()
    return line.number, f"{float(degrees)} degrees in {place}"


def explain(letter: sage.Letter) -> tuple[int, str]:
    """The number of a line that was set aside, and why it was."""
    return letter.value.number, f"set aside by {letter.operator}: {type(letter.error).__name__}: {letter.error}"


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("dead letters")
    lines = env.from_iterable([Line(number, text) for number, text in enumerate(LINES, 1)], name="lines")
    readings = lines.map(parse, on_error=sage.DeadLetter(), name="parse")
    letters = readings.side_output("dead_letters").map(explain)
    # The two streams meet in no order: all is put into one list, and that is sorted.
    report = readings.union(letters).batch(max_size=1_000).flat_map(sorted)
    report.sink(lambda entry: print(f"line {entry[0]}: {entry[1]}"))
    return env


if __name__ == "__main__":
    sage.run(build())
