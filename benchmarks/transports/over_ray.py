"""One way over Ray: from a driver to an actor in another process."""

from importlib.util import find_spec
from tempfile import TemporaryDirectory

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.transports import ray_actors
from benchmarks.transports.duel import Duel, hold_duels, not_held
from benchmarks.transports.figures import SPEED
from benchmarks.transports.flow import Lists, Records
from benchmarks.transports.stage import Stage

__all__ = ["ray"]

_NAME = "transports.ray"
_TITLE = "records of 100 bytes from a driver to an actor"
_CAPACITY = 8_192


def ray(plan: Plan) -> list[Outcome]:
    """Records of 100 bytes; a note says so if Ray is not installed."""
    if find_spec("ray") is None:
        return [not_held(_NAME, _TITLE, SPEED, 'ray: not installed; pip install "sage-streams[ray]"')]
    # Not pinned: the cluster and its actors would all stay on the core of the process that starts it.
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder, Stage(pinned=False) as stage:
        return [_compare(plan, stage, folder)]


def _compare(plan: Plan, stage: Stage, folder: str) -> Outcome:
    flow, slow_flow = Lists(plan.size(2_000, 50)), Records(plan.size(300, 20))
    floor = ray_actors.method_of_an_actor(flow, folder)
    duels = [
        Duel(ray_actors.queue_of_sage(flow, folder, _CAPACITY), floor, {"speed": (0.5, None)}),
        Duel(ray_actors.queue_of_ray(slow_flow, folder, 1_024), floor),
    ]
    return hold_duels(_NAME, _TITLE, duels, SPEED, plan, stage)
