"""Where tasks wait for each other."""

import asyncio

__all__ = ["Rendezvous"]


class Rendezvous:
    """Where the tasks of a job wait until all of them are open, so that no record meets one that is not.

    Args:
        parties: how many tasks there are.
        all_here: set when all of them are open.
    """

    def __init__(self, parties: int, all_here: asyncio.Event) -> None:
        self._missing = parties
        self._all_here = all_here

    async def arrive(self) -> None:
        """Be open, and wait for the others.

        Cancel safety: the job is being cancelled then.
        """
        self._missing -= 1
        if not self._missing:
            self._all_here.set()
        await self._all_here.wait()
