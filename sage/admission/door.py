"""The one place through which requests come in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import NoReturn

from sage.admission.admission import Admission
from sage.admission.line import Line
from sage.admission.load import Load
from sage.admission.pace import Pace
from sage.admission.passes import Pass
from sage.admission.refusing import impossible, refusal

__all__ = ["Door"]


class Door:
    """Lets requests in within the bounds of an `Admission`, has some wait, and refuses the rest at once.

    ::

        enter ──▶ room? ── yes ──────────────▶ Pass ── leave ──▶ next in line
                    └ no ─▶ room in line? ─ yes ─▶ wait ─▶ Pass
                                └ no ─▶ Overloaded

    Whoever is next and does not fit yet holds up those behind, so that a large request is not overtaken for ever by
    small ones; only those whose own key is full are passed over. A higher priority goes first, whatever waits.

    Args:
        admission: the bounds.
        name: what errors call it, such as ``"job 'orders'"``.
        now: tells the time in seconds; the running loop's if left out.
    """

    def __init__(self, admission: Admission, name: str, *, now: Callable[[], float] | None = None) -> None:
        self.admission = admission
        self.name = name
        self._now = now
        self._load = Load(admission)
        self._each_key = admission.each_key
        # Invariant: no key that has nothing inside.
        self._loads: dict[Hashable, Load] = {}
        self._line = Line()
        self._pace = Pace()
        self._admitted = 0
        self._refused: Counter[str] = Counter()
        self._closed: Callable[[], Exception] | None = None

    @property
    def open(self) -> int:
        """How many requests are inside."""
        return self._load.requests

    @property
    def tokens(self) -> int:
        """How many tokens those reserved."""
        return self._load.tokens

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._line)

    @property
    def admitted(self) -> int:
        """How many were let in so far."""
        return self._admitted

    @property
    def refused(self) -> Mapping[str, int]:
        """How many were refused so far, by the bound that did it, as in `Overloaded.limit`."""
        return MappingProxyType(self._refused)

    async def enter(self, *, tokens: int = 0, key: Hashable = None, priority: int = 0) -> Pass:
        """Be let in: at once if there is room, or when it is one's turn.

        Args:
            tokens: how many tokens the request may use.
            key: on whose behalf.
            priority: who waits with a higher one goes first.

        Returns:
            What must be left, once the request is done with.

        Cancel safety: when cancelled, there is nothing to leave, and nobody is held up.

        Raises:
            Overloaded: there is no room, nor in the line; or there never will be for so many tokens.
            ValueError: `tokens` is negative.
        """
        if tokens < 0:
            raise ValueError(f"{self.name}: a request of {tokens} tokens; write 0 or more")
        if self._closed is not None:
            raise self._closed()
        never = impossible(self.name, self.admission, tokens)
        if never is not None:
            self._refused[never.limit or ""] += 1
            raise never
        entering = Pass(key, tokens, priority, self._left)
        self._line.add(entering)
        self._admit()
        if not entering.inside:
            self._refuse_if_too_many_wait(entering)
            await self._wait(entering)
        return entering

    def close(self, error: Callable[[], Exception]) -> None:
        """Let nobody in any more: whoever waits and whoever comes gets an error. Those inside stay.

        Args:
            error: makes the error, one for each.
        """
        self._closed = error
        for waiting in list(self._line):
            self._line.remove(waiting)
            if waiting.turn is not None and not waiting.turn.done():
                waiting.turn.set_exception(error())

    async def _wait(self, entering: Pass) -> None:
        entering.turn = asyncio.get_running_loop().create_future()
        try:
            await entering.turn
        except BaseException:
            if entering.inside:
                entering.leave()  # the turn came in the same moment: pass it on
            elif self._closed is None:
                self._line.remove(entering)
                self._admit()  # it may have held up others
            raise

    def _admit(self) -> None:
        while (chosen := self._line.first(self._key_has_room)) is not None:
            if self._load.lacks(chosen.tokens) is not None:
                return
            self._line.take(chosen)
            self._let_in(chosen)

    def _let_in(self, chosen: Pass) -> None:
        self._load.add(chosen.tokens)
        if self._each_key is not None:
            self._loads.setdefault(chosen.key, Load(self._each_key)).add(chosen.tokens)
        self._admitted += 1
        chosen.inside = True
        if chosen.turn is not None and not chosen.turn.done():
            chosen.turn.set_result(None)

    def _left(self, leaving: Pass) -> None:
        self._load.subtract(leaving.tokens)
        if self._each_key is not None:
            load = self._loads[leaving.key]
            load.subtract(leaving.tokens)
            if not load.requests:
                del self._loads[leaving.key]
        self._pace.left(self._time())
        self._admit()

    def _key_has_room(self, waiting: Pass) -> bool:
        load = self._loads.get(waiting.key)
        return load is None or load.lacks(waiting.tokens) is None

    def _refuse_if_too_many_wait(self, entering: Pass) -> None:
        """Take one that is in line out of it again, if it is one too many."""
        bounds, each = self.admission, self._each_key
        mine = self._line.waiting(entering.key)
        if len(self._line) > bounds.max_queued:
            if bounds.max_queued or self._key_has_room(entering):
                lacking = "max_queued" if bounds.max_queued else self._load.lacks(entering.tokens) or "max_tokens"
                self._refuse(entering, self._load, lacking, of_key=False)
            else:
                load = self._loads[entering.key]
                self._refuse(entering, load, load.lacks(entering.tokens) or "max_requests", of_key=True)
        elif each is not None and mine > each.max_queued:
            load = self._loads.get(entering.key) or Load(each)
            lacking = "max_queued" if each.max_queued else load.lacks(entering.tokens) or "max_queued"
            self._refuse(entering, load, lacking, of_key=True)

    def _refuse(self, entering: Pass, load: Load, lacking: str, *, of_key: bool) -> NoReturn:
        self._line.remove(entering)
        limit = lacking
        if of_key:
            limit = f"per_key.{lacking}" if isinstance(self.admission.per_key, Admission) else "per_key"
        self._refused[limit] += 1
        queued = self._line.waiting(entering.key) if of_key else len(self._line)
        share = load.requests / self._load.requests if self._load.requests else 0.0
        raise refusal(
            self.name,
            load.bounds,
            lacking,
            limit=limit,
            requests=load.requests,
            queued=queued,
            retry_after=self._pace.wait(self._time(), queued, share),
        )

    def _time(self) -> float:
        return asyncio.get_running_loop().time() if self._now is None else self._now()
