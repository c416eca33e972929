"""The graph: logical (as written), validated, physical (as deployed), drawn."""

from sage.graph.draw import GraphView
from sage.graph.feedback import FeedbackHead, loops
from sage.graph.logical import Edge, Graph, Node
from sage.graph.partitioning import Auto, Broadcast, Custom, Forward, Hash, Partitioning, Rebalance, Rescale
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
