"""How fast passes are left lately, and so when to come again."""

from collections import deque

__all__ = ["Pace"]

#: So many of the last departures are looked at.
_REMEMBERED = 64
#: Seconds that are told while nothing is known, and the least and the most that are ever told. Clients of the OpenAI
#: protocol give up when they are told of more than two minutes.
_UNKNOWN, _LEAST, _MOST = 1.0, 0.05, 60.0


class Pace:
    """The times of the last departures."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_REMEMBERED)

    def left(self, now: float) -> None:
        """One left."""
        self._times.append(now)

    def wait(self, now: float, ahead: int, share: float) -> float:
        """Seconds after which it is likely to be one's turn; never 0.

        Args:
            now: the time.
            ahead: how many go first.
            share: the part of the departures that makes room for whoever asks, up to 1.
        """
        if not self._times or share <= 0:
            return _UNKNOWN
        # Measured up to now: if nothing leaves any more, the pace falls.
        seconds = (now - self._times[0]) / len(self._times) * (ahead + 1) / share
        return min(max(seconds, _LEAST), _MOST)
