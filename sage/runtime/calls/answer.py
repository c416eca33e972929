"""The answer to one request, as callers hold it."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

from sage.runtime.calls.asking import Asking

__all__ = ["Answer"]


class Answer:
    """Implements `sage.kernel.Answer`.

    Args:
        asking: the request.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._records = asking.records()

    async def admitted(self) -> None:
        """See `sage.kernel.Answer.admitted`.

        Cancel safety: when cancelled, the request is withdrawn; a later call makes it anew.

        Raises:
            Overloaded, DeadlineExceeded, JobNotRunning: it was not let in.
        """
        await self._asking.admitted()

    def __aiter__(self) -> AsyncIterator[Any]:
        self._asking.read_by_records = True
        return self._records

    def __anext__(self) -> Awaitable[Any]:
        """The next record; see the contract.

        Cancel safety: a cancelled read closes the answer.
        """
        self._asking.read_by_records = True
        return self._records.__anext__()

    def ready(self) -> list[Any]:
        """See `sage.kernel.Answer.ready`."""
        return self._asking.ready()

    async def aclose(self) -> None:
        """See `sage.kernel.Answer.aclose`.

        Cancel safety: nothing is waited for.
        """
        self._asking.close()
        if not self._records.ag_running:  # else whoever reads is told, and ends it
            await self._records.aclose()

    def __del__(self) -> None:
        # Whoever forgets the answer wants nothing more of it. While somebody iterates, the iterator minds that.
        if not self._asking.read_by_records:
            self._asking.forget()
