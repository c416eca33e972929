"""What every kind of stream is: the place in the graph where its records come from."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from sage.errors import GraphError
from sage.graph import Auto, Edge, Graph, Node, Partitioning
from sage.operators.contract import Operator

if TYPE_CHECKING:
    from sage.jobs import Job, JobResult

__all__ = ["BaseStream", "Origin", "Program"]

T = TypeVar("T")


class Program(Protocol):
    """What a stream needs of the environment that it belongs to."""

    @property
    def name(self) -> str:
        """The program's name."""
        ...

    @property
    def logical_graph(self) -> Graph:
        """The graph that streams add to."""
        ...

    def copy(self) -> Self:
        """The same program; what is added to one of the two is not in the other."""
        ...

    def start(self) -> "Job":
        """A job of the program as it stands, to be used as an async context manager."""
        ...

    async def run(self) -> "JobResult":
        """Run the program to its end.

        Cancel safety: cancelling it cancels the job.
        """
        ...


@dataclass(frozen=True)
class Origin:
    """An output of an operator, and how whoever reads it gets its records."""

    node: Node
    output: str | None = None
    partitioning: Partitioning = Auto()


class BaseStream(Generic[T]):
    """Records that come from one output of an operator, or from several (a union).

    Args:
        program: the environment.
        origins: where its records come from, at least one.
    """

    def __init__(self, program: Program, origins: tuple[Origin, ...]) -> None:
        self._program = program
        self._origins = origins

    @property
    def names(self) -> list[str]:
        """The names of the operators that the records come from."""
        return [origin.node.name for origin in self._origins]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self.names)} in {self._program.name!r}>"

    def _append(
        self,
        operator: Operator[Any, Any],
        *,
        name: str | None,
        parallelism: int = 1,
        port: int = 0,
        delivers: bool = False,
    ) -> Node:
        """Add an operator that reads this stream."""
        label = getattr(operator, "label", "")
        node = self._program.logical_graph.add(
            operator, name=name, label=label, parallelism=parallelism, delivers=delivers
        )
        self._feed(node, port)
        return node

    def _feed(self, node: Node, port: int = 0, *, bounded: bool = True) -> None:
        """Have an operator read this stream."""
        for origin in self._origins:
            edge = Edge(origin.node.number, node.number, port, origin.output, origin.partitioning, bounded)
            self._program.logical_graph.connect(edge)

    def _delivered_to(self, sink: Operator[Any, Any]) -> Program:
        """The program with one sink more on this stream, for one run; the program itself stays as it is."""
        for origin in self._origins:
            self._program.logical_graph.read_elsewhere(origin.node)
        program = self._program.copy()
        BaseStream[T](program, self._origins)._append(sink, name=None, delivers=True)
        return program

    def _spread(self, partitioning: Partitioning) -> tuple[Origin, ...]:
        return tuple(replace(origin, partitioning=partitioning) for origin in self._origins)

    def _same_program(self, other: "BaseStream[Any]", verb: str) -> None:
        """Refuse what is not a stream of the same environment.

        Raises:
            GraphError: names both environments.
        """
        if not isinstance(other, BaseStream):
            raise GraphError(
                f"{verb}: {other!r} is a {type(other).__name__}, not a stream; write env.from_iterable(...) first"
            )
        if other._program is not self._program:
            raise GraphError(
                f"{verb}: the streams belong to two environments, {self._program.name!r} and {other._program.name!r}; "
                f"build both with one environment"
            )
