"""A machine that stalls: between any two looks at the clock much time may have passed, and a budget be used up.

What programs do may not depend on that. In virtual time only the clock that budgets are measured by is real, so this
makes whatever a busy machine could do happen on purpose, the same way for the same seed.
"""

import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

__all__ = ["stalling"]


@contextmanager
def stalling(seed: int) -> Iterator[None]:
    """Within the block, the machine stalls at moments that `seed` draws: mostly longer than a budget, now and then
    longer than many."""
    chance, behind = random.Random(seed), 0.0

    def clock() -> float:
        nonlocal behind
        drawn = chance.random()
        if drawn < 0.17:
            behind += 0.2 if drawn < 0.02 else 0.003
        return time.perf_counter() + behind

    with ExitStack() as patches:
        for name, module in list(sys.modules.items()):
            if name.startswith(("sage.operators.", "sage.runtime.")) and hasattr(module, "perf_counter"):
                patches.enter_context(patch.object(module, "perf_counter", clock))
        yield
