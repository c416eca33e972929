"""One way, from process to process: how many records a second get through."""

from importlib.util import find_spec

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.transports import sage_queues, standard_library, xoscar_actors, zmq_sockets
from benchmarks.transports.duel import Duel, hold_duels, not_held
from benchmarks.transports.figures import SPEED
from benchmarks.transports.flow import Arrays, Lists, Records
from benchmarks.transports.stage import Stage

__all__ = ["arrays", "curve", "kilobytes", "lists", "records"]

#: How many records the queues hold.
_OF_LISTS, _OF_RECORDS, _OF_ARRAYS = 4_096, 1_024, 16


def lists(plan: Plan, stage: Stage) -> Outcome:
    """Records of 100 bytes, 256 at a time."""
    flow = Lists(plan.size(4_000, 20))
    raw = zmq_sockets.synchronous("pyzmq", flow)
    zmq = sage_queues.lists("sage zmq, send", "rpc", flow, maxsize=_OF_LISTS)
    shm = sage_queues.lists("sage shm, send", "sage", flow, maxsize=_OF_LISTS)
    zmq_many = sage_queues.many("sage zmq, put_many", "rpc", flow, maxsize=_OF_LISTS)
    shm_many = sage_queues.many("sage shm, put_many", "sage", flow, maxsize=_OF_LISTS)
    duels = [
        Duel(zmq, raw, {"speed": (0.80, None)}),
        Duel(zmq_many, raw, {"speed": (0.80, None)}),
        Duel(shm, zmq, {"speed": (1.1, None)}),
        Duel(shm_many, zmq_many, {"speed": (1.1, None)}),
        Duel(standard_library.queue(flow), raw),
    ]
    notes = []
    if plan.peers and find_spec("xoscar"):
        duels.append(Duel(xoscar_actors.lists(flow), raw))
    elif plan.peers:
        notes.append("xoscar: not installed; pip install xoscar")
    title = "records of 100 bytes from process to process, in lists of 256"
    return hold_duels("transports.lists", title, duels, SPEED, plan, stage, notes)


def records(plan: Plan, stage: Stage) -> Outcome:
    """Records of 100 bytes, one by one."""
    flow, slow_flow = Records(plan.size(300_000, 1_000)), Records(plan.size(50_000, 200))
    floor = zmq_sockets.asynchronous("zmq.asyncio", slow_flow)
    zmq = sage_queues.each("sage zmq", "rpc", flow, maxsize=_OF_RECORDS)
    shm = sage_queues.each("sage shm", "sage", flow, maxsize=_OF_RECORDS)
    duels = [
        Duel(zmq, floor, {"speed": (10, None)}),
        Duel(shm, zmq, {"speed": (1.1, None)}),
        Duel(zmq_sockets.synchronous("pyzmq", flow), floor),
        Duel(standard_library.queue(slow_flow), floor),
    ]
    title = "records of 100 bytes from process to process, put and got one by one"
    return hold_duels("transports.records", title, duels, SPEED, plan, stage)


def kilobytes(plan: Plan, stage: Stage) -> Outcome:
    """Records of a kilobyte, in lists."""
    flow = Lists(plan.size(1_500, 10), nbytes=1_024, length=64)
    raw = zmq_sockets.synchronous("pyzmq", flow)
    zmq = sage_queues.lists("sage zmq", "rpc", flow, maxsize=_OF_LISTS)
    duels = [
        Duel(zmq, raw),
        Duel(sage_queues.lists("sage shm", "sage", flow, maxsize=_OF_LISTS), zmq),
        Duel(standard_library.queue(flow), raw),
    ]
    title = "records of 1 KiB from process to process, in lists of 64"
    return hold_duels("transports.kilobytes", title, duels, SPEED, plan, stage)


def arrays(plan: Plan, stage: Stage) -> Outcome:
    """Arrays of a megabyte, one by one; a note says so if NumPy is not installed."""
    name, title = "transports.arrays", "NumPy arrays of 1 MB (float32) from process to process, put and got one by one"
    if find_spec("numpy") is None:
        return not_held(name, title, SPEED, "numpy: not installed; pip install numpy")
    flow, slow_flow = Arrays(plan.size(1_500, 10)), Arrays(plan.size(150, 5))
    raw = zmq_sockets.synchronous("pyzmq, without a copy", flow)
    zmq = sage_queues.each("sage zmq", "rpc", flow, maxsize=_OF_ARRAYS)
    shm = sage_queues.each("sage shm", "sage", flow, maxsize=_OF_ARRAYS)
    duels = [
        Duel(zmq, raw),
        Duel(shm, zmq, {"speed": (3.5, None)}),
        Duel(sage_queues.filled("sage shm, filled in place", flow, maxsize=_OF_ARRAYS), zmq),
        Duel(standard_library.queue(slow_flow), raw),
    ]
    return hold_duels(name, title, duels, SPEED, plan, stage)


def curve(plan: Plan, stage: Stage) -> Outcome:
    """What it costs to encrypt."""
    flow = Lists(plan.size(4_000, 20))
    plain = sage_queues.lists("sage zmq", "rpc", flow, maxsize=_OF_LISTS)
    encrypted = sage_queues.encrypted_lists("sage zmq, CURVE", flow, maxsize=_OF_LISTS)
    duels = [Duel(encrypted, plain, {"speed": (0.80, None)})]
    title = "the same lists, with keys on both sides and encrypted"
    return hold_duels("transports.curve", title, duels, SPEED, plan, stage)
