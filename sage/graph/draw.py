"""Pictures of a graph: Mermaid for documents, text for a terminal."""

from collections.abc import Mapping

from sage.graph.feedback import FeedbackHead
from sage.graph.logical import Edge, Graph, Node

__all__ = ["GraphView"]


# Mermaid's own way to write what would mean something to it, or to HTML.
_CODES = str.maketrans({"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "|": "#124;", "`": "#96;"})


class GraphView:
    """A graph to look at; what `Environment.graph` returns."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def mermaid(self, notes: Mapping[str, str] | None = None) -> str:
        """The graph as a Mermaid flowchart.

        Args:
            notes: a second line for operators, by name (counts of a run, say).
        """
        graph = self._graph
        lines = ["flowchart LR"]
        for node in graph.nodes:
            label = _escape(_title(node))
            note = (notes or {}).get(node.name)
            if note:
                label += f"<br/><small>{_escape(note)}</small>"
            opening, closing = _shape(graph, node)
            lines.append(f'    n{node.number}{opening}"{label}"{closing}')
        for edge in graph.edges:
            arrow = "-->" if edge.bounded else "-.->"
            label = _escape(_edge_label(edge))
            joined = f'{arrow}|"{label}"|' if label else arrow
            lines.append(f"    n{edge.sender} {joined} n{edge.receiver}")
        return "\n".join(lines)

    def text(self) -> str:
        """The graph in lines: each operator once, with what it reads."""
        graph = self._graph
        width = max((len(_title(node)) for node in graph.nodes), default=0)
        lines = []
        for node in graph.nodes:
            inputs = [_input_text(graph, edge) for edge in graph.inputs(node)]
            origin = "◀─ " + ", ".join(inputs) if inputs else "   (source)"
            lines.append(f"{_title(node):<{width}}  {origin}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def _input_text(graph: Graph, edge: Edge) -> str:
    label = _edge_label(edge)
    return _line(graph.nodes[edge.sender].name) + (f" ({label})" if label else "")


def _edge_label(edge: Edge) -> str:
    parts = [edge.output or "", edge.partitioning.label, "" if edge.bounded else "loop"]
    return _line(", ".join(part for part in parts if part))


def _title(node: Node) -> str:
    name = _line(node.name)
    return f"{name} ×{node.parallelism}" if node.parallelism > 1 else name


def _line(name: str) -> str:
    return " ".join(name.splitlines())


def _shape(graph: Graph, node: Node) -> tuple[str, str]:
    if node.is_source:
        return "([", "])"
    if isinstance(node.operator, FeedbackHead):
        return "((", "))"
    return ("[", "]") if graph.outputs(node) else ("[[", "]]")


def _escape(label: str) -> str:
    return label.translate(_CODES)
