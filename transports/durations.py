"""Durations that the user gives for a channel."""

from datetime import timedelta

from sage.transports.errors import InvalidChannel

__all__ = ["seconds"]

# Longer than this (12 days) nobody waits; and what is much longer, timers cannot hold.
_LONGEST = 1e6


def seconds(channel: str, option: str, duration: float | timedelta) -> float:
    """A duration in seconds.

    Args:
        channel: the channel's name.
        option: the name of what was given.
        duration: seconds, or a timedelta.

    Raises:
        InvalidChannel: it is none, or not above 0, or longer than anybody waits.
    """
    length = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(length, bool) or not isinstance(length, int | float) or not 0 < length < _LONGEST:
        raise InvalidChannel(f"channel {channel!r}: {option}={duration!r} is not a time; write seconds above 0")
    return float(length)
