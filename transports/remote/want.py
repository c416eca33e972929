"""What one sender wants of its host: how many places, and when it says so. Pure: no I/O, no loop.

A sender asks ahead of need, for as many places as keep its frames flowing. When somebody waits for places it asks for
what that needs, and the host has it stand in line. There is one request at a time, which a later one replaces; it
leaves behind the frame that made it necessary::

    ask ──▶ (about to be asked) ── leave ──▶ asked ─┬─ answered ──▶ (nothing)
                                                    └─ recall, if it was ahead of need ──▶ (nothing)
"""

__all__ = ["Want"]

# How many places a sender holds or asks for at most: many frames, so that they flow while grants are under way.
_WINDOW = 1 << 14


class Want:
    """The requests of one sender.

    Args:
        capacity: how many records the channel holds; `None` for no bound.

    Attributes:
        asked: what the host was asked for and has not answered: the places without which nothing can be sent, or 0 if
            that was ahead of need. `None` for nothing.
        recalled: others wait for places: none is to be kept that is not needed.
    """

    __slots__ = ("_hoped", "_to_ask", "_window", "asked", "recalled")

    def __init__(self, capacity: int | None) -> None:
        self._window = _WINDOW if capacity is None else min(_WINDOW, capacity)
        self.asked: int | None = None
        self.recalled = False
        # The same as `asked`, but not asked yet.
        self._to_ask: int | None = None
        # What the host was asked for last and has not granted yet: it will, as far as it can spare that.
        self._hoped = 0

    @property
    def pending(self) -> int | None:
        """What was asked for last, or is about to be."""
        return self.asked if self._to_ask is None else self._to_ask

    def short(self, held: int) -> bool:
        """Whether a sender that holds so many places will run out of them before the host gives others by itself."""
        return (held + self._hoped) * 2 < self._window

    def ask(self, least: int) -> bool:
        """Want places, with fewer than `least` of which nothing can be sent; 0 is ahead of need.

        Need replaces what was asked ahead of need, and other need. Tells whether there is a request to leave.
        """
        pending = self.pending
        if pending is None or (least and least != pending):
            self._to_ask = least
            return True
        return False

    def need_nothing(self) -> bool:
        """Those who needed places have gone. Tells whether there is a request to leave, by which the host knows."""
        if self.pending:
            self._to_ask = 0
            return True
        return False

    def leave(self, held: int) -> tuple[int, int] | None:
        """The request that leaves now, of a sender that holds so many places: how many it asks for, and `least`."""
        least = self._to_ask
        if least is None:
            return None
        self.asked, self._to_ask = least, None
        self._hoped = max(self._window - held, least, 1)
        return self._hoped, least

    def answered(self, places: int) -> bool:
        """The host has granted places. Tells whether they were needed: the host may have answered an earlier request,
        and is to forget this one."""
        needed, self.asked = self.asked, None
        self._hoped = max(0, self._hoped - places)
        if needed is not None and places > needed:  # there was more to spare
            self.recalled = False
        return bool(needed)

    def recall(self) -> None:
        """The host asks for what is not needed; it forgets what was asked ahead of need."""
        self.recalled = True
        self._hoped = 0
        if self.asked == 0:
            self.asked = None

    def gave_back(self) -> None:
        """Places were given back, by which the host forgets what it was asked for and could not spare."""
        self._hoped = 0
