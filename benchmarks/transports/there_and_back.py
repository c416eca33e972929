"""There and back, from process to process: how long one waits, and how many calls a second are answered."""

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.transports import sage_calls, sage_queues, standard_library, zmq_calls
from benchmarks.transports.calls import Calls, Stream
from benchmarks.transports.duel import Duel, hold_duels
from benchmarks.transports.figures import CALLS, LATENCY, STREAM
from benchmarks.transports.round_trip import Trips
from benchmarks.transports.stage import Stage

__all__ = ["call", "calls", "queues", "stream"]

#: The deadline of each call, where they have one: none is missed, it is about what they cost.
_TIMEOUT_SECONDS = 30.0
_WINDOW = 1_024


def call(plan: Plan, stage: Stage) -> Outcome:
    """One call at a time."""
    trips = Trips(plan.size(5_000, 50))
    floor = zmq_calls.echo(trips)
    duels = [
        Duel(sage_calls.call_each(trips), floor, {"times": (None, 0.9)}),
        Duel(standard_library.queue_there_and_back(trips), floor),
    ]
    title = "a call with a record of 100 bytes, which is the answer, one at a time"
    return hold_duels("transports.call", title, duels, LATENCY, plan, stage)


def calls(plan: Plan, stage: Stage) -> Outcome:
    """Many calls at a time."""
    count = plan.size(60_000, 500)
    floor = zmq_calls.call_many(Calls(plan.size(10_000, 200)))
    with_deadlines = Calls(count, timeout=_TIMEOUT_SECONDS)
    duels = [
        Duel(sage_calls.call_many("sage rpc", Calls(count)), floor, {"per_second": (150_000, None)}),
        Duel(sage_calls.call_many("sage rpc, a deadline each", with_deadlines), floor, {"per_second": (100_000, None)}),
    ]
    title = "the same by 64 callers at a time"
    return hold_duels("transports.calls", title, duels, CALLS, plan, stage)


def stream(plan: Plan, stage: Stage) -> Outcome:
    """One call that is answered with many items."""
    floor = zmq_calls.stream(Stream(plan.size(30_000, 200)))
    items, small = Stream(plan.size(500_000, 3_000)), Stream(plan.size(100_000, 500))
    duels = [
        Duel(sage_calls.stream("sage rpc, window 1,024", items, _WINDOW), floor, {"per_second": (1_000_000, None)}),
        Duel(sage_calls.stream("sage rpc, window 64", small, 64), floor),
    ]
    title = "one call of an async generator that yields short texts, read one by one"
    return hold_duels("transports.stream", title, duels, STREAM, plan, stage)


def queues(plan: Plan, stage: Stage) -> Outcome:
    """A record through one queue and back through another."""
    trips = Trips(plan.size(3_000, 50))
    floor = standard_library.queue_there_and_back(trips)
    duels = [
        Duel(sage_queues.there_and_back("sage zmq", "rpc", trips, maxsize=16), floor),
        Duel(sage_queues.there_and_back("sage shm", "sage", trips, maxsize=16), floor),
        Duel(zmq_calls.echo(trips), floor),
    ]
    title = "a record of 100 bytes through one queue and back through another, one at a time"
    return hold_duels("transports.queues", title, duels, LATENCY, plan, stage)
