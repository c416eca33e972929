"""Lists in the middle of a stream: a function over lists, as models have, and lists as values, as bulk writes want.

A word waits for company for a hundredth of a second at most. It prints::

    wrote ['alpha 1/4', 'beta 2/4', 'gamma 3/4']
    wrote ['delta 4/4', 'epsilon 1/4', 'zeta 2/4']
    wrote ['eta 3/4', 'theta 4/4', 'iota 1/2']
    wrote ['kappa 2/2']
"""

import asyncio

import sage

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


async def model(words: list[str]) -> list[str]:
    """One result for each word: a stand-in for a model that is quicker on many at once."""
    await asyncio.sleep(0.001)
    return [f"{word} {place}/{len(words)}" for place, word in enumerate(words, 1)]


def write(rows: list[str]) -> None:
    """Write rows together: a stand-in for a bulk insert."""
    print(f"wrote {rows}")


def build() -> sage.Environment:
    """Write the program; nothing runs yet."""
    env = sage.Environment("micro batches")
    words = env.from_iterable(WORDS, name="words")
    words.map_batch(model, max_size=4, max_wait=0.01).batch(max_size=3).sink(write)
    return env


if __name__ == "__main__":
    sage.run(build())
