"""The smallest program that does something: adds one to each number and prints the even results.

``python examples/hello.py`` runs it, and so does ``sage run examples/hello.py``. It prints::

    2
    4
    6
    8
    10
"""

import sage


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("hello")
    env.from_iterable(range(10)).map(lambda x: x + 1).filter(lambda x: x % 2 == 0).sink(print)
    return env


if __name__ == "__main__":
    sage.run(build())
