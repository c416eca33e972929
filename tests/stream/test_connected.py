"""Two streams, one operator."""

import sage
from sage import operators
from sage.graph import Hash


def double(value: int) -> int:
    return 2 * value


class Both(sage.CoMapFunction[int, str, str]):
    def map1(self, value: int) -> str:
        return f"number {value}"

    def map2(self, value: str) -> str:
        return f"text {value}"


async def test_each_side_has_its_function() -> None:
    env = sage.Environment("sides")
    left, right = env.from_iterable([1, 2]), env.from_iterable(["a"])
    stream = left.connect(right).map(double, str.upper, concurrency=3, on_error=sage.DeadLetter())
    node = env.logical_graph.nodes[-1]
    assert node.operator == operators.CoMap(double, str.upper, concurrency=3, on_error=sage.DeadLetter())
    assert [(edge.sender, edge.port) for edge in env.logical_graph.inputs(node)] == [(0, 0), (1, 1)]
    assert stream.names == ["co_map(double, upper)"]
    assert sorted(await stream.to_list(), key=str) == [2, 4, "A"]


async def test_a_class_for_both() -> None:
    env = sage.Environment("class")
    left, right = env.from_iterable([1]), env.from_iterable(["a"])
    assert sorted(await left.connect(right).map(Both, name="both").to_list()) == ["number 1", "text a"]
    assert env.logical_graph.nodes[2].name == "both"


async def test_a_union_on_one_side() -> None:
    env = sage.Environment("union")
    numbers = env.from_iterable([1]).union(env.from_iterable([2]))
    stream = numbers.connect(env.from_iterable(["a"])).map(double, str.upper)
    assert [edge.port for edge in env.logical_graph.edges] == [0, 0, 1]
    assert sorted(await stream.to_list(), key=str) == [2, 4, "A"]


async def test_equal_keys_of_two_streams_meet() -> None:
    def where(value: object) -> tuple[object, int]:
        return value, sage.context().subtask_index

    env = sage.Environment("keys")
    left, right = (env.from_iterable(range(20)).key_by(lambda value: value) for _ in range(2))
    met = await left.connect(right).map(where, where, parallelism=3).to_list()
    assert [edge.partitioning for edge in env.logical_graph.edges[2:4]] == [Hash(), Hash()]
    assert len(met) == 40
    assert len(set(met)) == 20
    assert {subtask for _, subtask in met} == {0, 1, 2}


async def test_a_stream_with_itself() -> None:
    env = sage.Environment("itself")
    numbers = env.from_iterable([1])
    assert sorted(await numbers.connect(numbers).map(double, str).to_list(), key=str) == ["1", 2]
