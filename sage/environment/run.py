"""Runs a program from code that is not async."""

import asyncio
from typing import TYPE_CHECKING

from sage.environment.environment import Environment
from sage.errors import GraphError
from sage.loops import fast_loop

if TYPE_CHECKING:
    from sage.jobs import JobResult

__all__ = ["run"]


def run(env: Environment) -> "JobResult":
    """Run a program to its end, in an event loop of its own (uvloop where there is one). May be called in any thread.

    Raises:
        GraphError: the program cannot run, or an event loop is running in this thread already.
        JobFailed: an operator failed.
    """
    if not isinstance(env, Environment):
        raise GraphError(f"sage.run({env!r}): write sage.run(env), with the environment")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            return runner.run(env.run())
    raise GraphError(f"sage.run({env.name!r}) was called inside a running event loop; write `await env.run()` there")
