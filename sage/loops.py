"""Which event loop programs run in."""

import asyncio
import sys
from collections.abc import Callable

__all__ = ["fast_loop"]


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the quickest event loop of this platform; `None` for the standard one."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
