"""What a request that is refused is told."""

from sage.admission.admission import Admission
from sage.errors import Overloaded

__all__ = ["impossible", "refusal"]


def impossible(door: str, admission: Admission, tokens: int) -> Overloaded | None:
    """The error for a request that would never be let in: it is not told to come again. `None` if it may be one day.

    Args:
        door: who refuses.
        admission: the bounds.
        tokens: how many the request may use.
    """
    for limit, bounds in (("max_tokens", admission), ("per_key.max_tokens", admission.each_key)):
        if bounds is not None and bounds.max_tokens is not None and tokens > bounds.max_tokens:
            told = f"the request may use {tokens} tokens, more than may ever be inside ({limit}={bounds.max_tokens})"
            return Overloaded(f"{door}: {told}; ask for fewer, or raise {limit}", limit=limit)
    return None


def refusal(
    door: str, bounds: Admission, lacking: str, *, limit: str, requests: int, queued: int, retry_after: float
) -> Overloaded:
    """The error for a request for which there is no room now.

    Args:
        door: who refuses.
        bounds: the bounds that it broke: those of all, or those of its key.
        lacking: which of them.
        limit: what the user wrote to set it.
        requests: how many are open within the bounds.
        queued: how many wait within them.
        retry_after: seconds after which to come again.
    """
    if lacking == "max_tokens":
        told = f"the tokens of {requests} open requests and of those that wait leave no room"
    elif lacking == "max_queued":
        told = f"{requests} requests are open and {queued} wait"
    else:
        told = f"{requests} requests are open"
    whose = " for one key" if limit.startswith("per_key") else ""
    told = f"{told}{whose} ({limit}={getattr(bounds, lacking)})"
    return Overloaded(
        f"{door}: {told}; come again in {retry_after:.2g} s, or raise {limit}", limit=limit, retry_after=retry_after
    )
