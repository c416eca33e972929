"""The event loops that programs are measured on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sage.loops import fast_loop

__all__ = ["LOOPS", "LoopFactory", "on_loop"]

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop] | None

_FAST = fast_loop()

#: By name. The first one is what `sage.run` uses; where there is no uvloop it is that of asyncio, and the only one.
LOOPS: dict[str, LoopFactory] = {"uvloop": _FAST, "asyncio": None} if _FAST else {"asyncio": None}


def on_loop(program: Callable[[], Awaitable[T]], factory: LoopFactory = _FAST) -> T:
    """Run a program on an event loop of its own, the fast one unless told otherwise."""

    async def main() -> T:
        return await program()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
