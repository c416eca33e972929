"""What every request passes before there is any work on it: who asks, at which rate, is there room."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sage.admission import Admission, Door, Pass
from sage.errors import DeadlineExceeded
from sage.serving.auth import Auth, authenticator
from sage.serving.rates import Rate, RateLimiter, Reservation
from sage.serving.terms import Terms, terms_of

__all__ = ["Desk"]


class Desk:
    """Lets requests in.

    Args:
        name: what errors call the server.
        auth: as in `openai_app`.
        rate: as in `openai_app`.
        admission: as in `openai_app`.
        timeout: as in `openai_app`.
        max_priority: as in `openai_app`.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        name: str,
        *,
        auth: Auth | None,
        rate: Rate | None,
        admission: Admission | None,
        timeout: float | None,
        max_priority: int,
    ) -> None:
        self.door = None if admission is None else Door(admission, name)
        #: Whether only those with a key are let in.
        self.guarded = auth is not None
        self._authenticate = authenticator(auth)
        self._rates = RateLimiter(rate or Rate())
        self._timeout = timeout
        self._max_priority = max_priority

    async def identify(self, headers: Mapping[str, str]) -> Any:
        """The tenant on whose behalf a request is.

        Cancel safety: nothing is kept.

        Raises:
            RequestError: with status 401, there is none.
        """
        return await self._authenticate(headers)

    def terms(self, headers: Mapping[str, str]) -> Terms:
        """What the headers of a request say of it.

        Raises:
            RequestError: one cannot be read.
        """
        return terms_of(headers, timeout=self._timeout, max_priority=self._max_priority)

    async def received(self, headers: Mapping[str, str]) -> tuple[Any, Terms]:
        """On whose behalf a request is, and what its headers say of it. To find that out counts as waiting.

        Cancel safety: nothing is kept.

        Raises:
            RequestError: a header cannot be read, or there is no such tenant (401).
            DeadlineExceeded: it was not found out until the deadline.
        """
        terms = self.terms(headers)
        clock = asyncio.timeout_at(terms.deadline)
        try:
            async with clock:
                return await self._authenticate(headers), terms
        except TimeoutError:
            if not clock.expired():
                raise
            raise DeadlineExceeded("the deadline of the request has passed while its key was looked up") from None

    @asynccontextmanager
    async def let_in(self, key: Any, terms: Terms, tokens: int) -> AsyncIterator[Reservation]:
        """Be inside for a block; to be told there how many tokens were used, if any.

        Args:
            key: on whose behalf.
            terms: until when it may wait, and how urgent it is.
            tokens: how many tokens the request may use, its own and those of its answers.

        Cancel safety: whoever is cancelled is not inside, and what was reserved is given back.

        Raises:
            Overloaded: there is no room.
            DeadlineExceeded: there was none until the deadline.
        """
        reservation = self._rates.reserve(key, tokens)
        try:
            if self.door is None:
                yield reservation
            else:
                with await self._enter(self.door, key, terms, tokens):
                    yield reservation
        finally:
            reservation.settle(0)  # unless it was told what was used

    async def _enter(self, door: Door, key: Any, terms: Terms, tokens: int) -> Pass:
        try:
            async with asyncio.timeout(terms.left()):
                return await door.enter(tokens=tokens, key=key, priority=terms.priority)
        except TimeoutError:
            raise DeadlineExceeded("the deadline of the request has passed while it waited to be let in") from None
