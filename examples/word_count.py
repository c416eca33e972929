"""Counts words: the records of a key meet in one subtask, and the counts come out when the input ends.

It prints::

    the: 5
    sea: 3
    and: 2
    ship: 2
    a: 1
"""

from collections.abc import Iterator

import sage

TEXT = """\
The ship and the sea, the sea and the storm:
a ship on the sea.
"""


def words(line: str) -> list[str]:
    """The words of a line, in small letters and without punctuation."""
    return [word.strip(".,:").lower() for word in line.split()]


def most_frequent(counts: list[tuple[str, int]]) -> Iterator[str]:
    """The first five words; of those with equal counts in the order of the alphabet."""
    for word, count in sorted(counts, key=lambda entry: (-entry[1], entry[0]))[:5]:
        yield f"{word}: {count}"


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("word count")
    lines = env.from_iterable(TEXT.splitlines(), name="lines")
    counts = lines.flat_map(words).key_by(lambda word: word, name="by word").count(emit="end", parallelism=2)
    # The two subtasks give their counts in no order: they are put into one list, and that is sorted.
    counts.batch(max_size=1_000).flat_map(most_frequent).sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
