"""The benchmarks of serving, by name."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from benchmarks.outcome import Chart, Outcome
from benchmarks.plan import Plan

__all__ = ["SERVING"]

#: What a server needs, and who has no server need not have.
_SERVERS = ("httptools", "msgspec", "prometheus_client", "starlette", "uvicorn")


def _run(name: str, module: str, plan: Plan) -> list[Outcome]:
    """Load the part only now: it may need what is not installed, and then says so."""
    try:
        part = import_module(f"benchmarks.serving.{module}")
    except ModuleNotFoundError as missing:
        if missing.name not in _SERVERS:
            raise
        note = f'{missing.name}: not installed; pip install "sage-streams[serve]"'
        return [Outcome(name, "what a server does", "none", (), (), Chart("", ""), notes=[note])]
    outcomes: list[Outcome] = part.run(plan)
    return outcomes


_MODULES = {
    "serving.tokens": "tokens",
    "serving.http": "over_http",
    "serving.latency": "latency",
    "serving.overload": "overload",
    "serving.storm": "storm",
    "serving.slow": "slow",
}

#: All of them.
SERVING: dict[str, Callable[[Plan], list[Outcome]]] = {
    name: partial(_run, name, module) for name, module in _MODULES.items()
}
