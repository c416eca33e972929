"""`sage.run`: from code that is not async."""

import asyncio
import subprocess
import sys
import threading

import pytest

import sage
from sage.loops import fast_loop


def test_it_runs_to_the_end() -> None:
    env = sage.Environment("run")
    collected = env.from_iterable([1, 2]).map(str).collect()
    result = sage.run(env)
    assert (result.name, result.status) == ("run", "finished")
    assert collected.values == ["1", "2"]


def test_it_raises_what_failed() -> None:
    env = sage.Environment("failing")
    env.from_iterable(["x"]).map(int).print()
    with pytest.raises(sage.JobFailed, match="failed on record 'x'"):
        sage.run(env)


def test_it_uses_the_quickest_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    env = sage.Environment("loop")
    env.from_iterable([1]).sink(lambda _: loops.append(asyncio.get_running_loop()))
    sage.run(env)
    (loop,) = loops
    assert type(loop).__module__.split(".")[0] == ("asyncio" if sys.platform == "win32" else "uvloop")
    assert loop.is_closed()


def test_where_there_is_no_quick_loop_it_takes_the_standard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert fast_loop() is None
    env = sage.Environment("standard")
    collected = env.from_iterable([1]).collect()
    sage.run(env)
    assert collected.values == [1]


def test_threads_run_their_own_programs() -> None:
    found: dict[int, list[int]] = {}

    def work(factor: int) -> None:
        env = sage.Environment(f"thread {factor}")
        collected = env.from_iterable(range(50)).map(lambda n: n * factor).collect()
        sage.run(env)
        found[factor] = collected.values

    threads = [threading.Thread(target=work, args=(factor,)) for factor in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {factor: [n * factor for n in range(50)] for factor in range(4)}


async def test_inside_a_running_loop_it_is_refused() -> None:
    env = sage.Environment("inside")
    env.from_iterable([1]).print()
    with pytest.raises(
        sage.GraphError, match=r"sage.run\('inside'\) was called inside a running event loop; write `await"
    ):
        sage.run(env)


def test_inside_a_function_of_a_program_it_is_refused() -> None:
    inner = sage.Environment("inner")
    inner.from_iterable([1]).print()
    env = sage.Environment("outer")
    env.from_iterable([1]).sink(lambda _: sage.run(inner), name="call")
    with pytest.raises(
        sage.JobFailed, match=r"operator 'call' failed on record 1: GraphError: .*inside a running event"
    ):
        sage.run(env)


def test_a_stream_is_no_program() -> None:
    stream = sage.Environment("stream").from_iterable([1])
    with pytest.raises(sage.GraphError, match=r"<Stream of from_iterable in 'stream'>\): write sage.run\(env\)"):
        sage.run(stream)  # type: ignore[arg-type]


def test_an_interrupt_ends_it() -> None:
    program = """
import asyncio, itertools, signal
import sage

signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run where it is ignored

class Watch(sage.SinkFunction):
    def sink(self, value):
        if value == 1000:
            signal.raise_signal(signal.SIGINT)
    def close(self):
        print("closed")

env = sage.Environment("endless")
env.from_iterable(itertools.count()).sink(Watch())
try:
    sage.run(env)
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["closed", "interrupted"], "")
