"""The graph: logical (as written), validated, physical (as deployed), drawn.

The physical plan and the validation are loaded when the first program is run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sage.graph.draw import GraphView
from sage.graph.feedback import FeedbackHead, loops
from sage.graph.logical import Edge, Graph, Node
from sage.graph.partitioning import Auto, Broadcast, Custom, Forward, Hash, Partitioning, Rebalance, Rescale

if TYPE_CHECKING:
    from sage.graph.plan import Link, Plan, Subtask, physical_plan
    from sage.graph.validate import validate

__all__ = [
    "Auto",
    "Broadcast",
    "Custom",
    "Edge",
    "FeedbackHead",
    "Forward",
    "Graph",
    "GraphView",
    "Hash",
    "Link",
    "Node",
    "Partitioning",
    "Plan",
    "Rebalance",
    "Rescale",
    "Subtask",
    "loops",
    "physical_plan",
    "validate",
]

_LAZY = {"Link": "plan", "Plan": "plan", "Subtask": "plan", "physical_plan": "plan", "validate": "validate"}

if not TYPE_CHECKING:  # with it, checkers would take every misspelt name for `Any`

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module 'sage.graph' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"sage.graph.{_LAZY[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
