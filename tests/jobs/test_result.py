"""What is left when a job has ended."""

import copy
import pickle

import sage


async def test_in_words() -> None:
    env = sage.Environment("told")
    env.from_iterable(range(3), name="numbers").filter(bool, name="true").collect(name="all")
    result = await env.run()
    told = str(result)
    assert told.startswith("job 'told' finished after 0.")
    assert told.endswith(" s (numbers: 0 in, 3 out, true: 3 in, 2 out, all: 2 in, 0 out)")


async def test_it_crosses_processes() -> None:
    env = sage.Environment("crosses")
    env.from_iterable([1]).collect()
    result = await env.run()
    assert pickle.loads(pickle.dumps(result)) == copy.copy(result) == result
