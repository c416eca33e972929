"""The backlog of a queue against a list of pairs."""

from itertools import pairwise

from hypothesis import given, settings, strategies as st

from sage.transports.backlog import Backlog

_SIZES = st.one_of(st.just(1), st.integers(0, 3))
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), _SIZES),
        st.tuples(st.just("extend"), st.lists(_SIZES, max_size=5)),
        st.tuples(st.just("extend"), st.integers(0, 5)),
        st.tuples(st.just("take one")),
        st.tuples(st.just("take some"), st.integers(0, 6)),
        st.tuples(st.just("take all")),
        st.tuples(st.just("put back"), st.integers(0, 3)),
        st.tuples(st.just("clear")),
    ),
    max_size=30,
)


class Model:
    """The same as a list of pairs; items are numbers, in the order in which they come."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []
        self.taken: list[tuple[int, int]] = []
        self.made = 0

    def make(self, sizes: list[int]) -> list[int]:
        made = list(range(self.made, self.made + len(sizes)))
        self.made += len(sizes)
        self.pairs += zip(made, sizes, strict=True)
        return made

    def take(self, count: int) -> list[tuple[int, int]]:
        self.taken, self.pairs = self.pairs[:count], self.pairs[count:]
        return self.taken


@settings(max_examples=200, deadline=None)
@given(_steps)
def test_it_is_a_list_of_items_with_sizes(steps: list[tuple[object, ...]]) -> None:
    backlog: Backlog[int] = Backlog()
    model = Model()
    values = backlog.values
    for step in steps:
        match step:
            case "append", int(size):
                backlog.append(model.make([size])[0], size)
            case "extend", int(count):
                backlog.extend(model.make([1] * count), None)
            case "extend", list(sizes):
                backlog.extend(model.make(sizes), sizes)
            case ("take one",) if model.pairs:
                assert [backlog.take_one()] == model.take(1)
            case "take some", int(most):
                expected = model.take(most)
                taken = [item for item, _ in expected], sum(size for _, size in expected)
                assert backlog.take_some(most) == taken
            case ("take all",):
                items, sizes_taken = backlog.take_all()
                assert list(zip(items, sizes_taken or [1] * len(items), strict=True)) == model.take(len(model.pairs))
            case "put back", int(count) if count <= len(model.taken):
                again, model.taken = model.taken[len(model.taken) - count :], []
                backlog.put_back(again)
                model.pairs[:0] = again
            case ("clear",):
                assert backlog.clear() == sum(size for _, size in model.take(len(model.pairs)))
        assert list(backlog) == model.pairs
        assert len(backlog) == len(model.pairs)
        assert list(values) == [item for item, _ in model.pairs], "it is the same object for good"
        assert all(before < after for before, after in pairwise(values))


def test_nothing_is_kept_about_sizes_while_all_are_1() -> None:
    backlog: Backlog[str] = Backlog()
    backlog.append("a", 1)
    backlog.extend(["b"], None)
    assert backlog.sizes is None
    backlog.append("batch", 7)
    assert list(backlog) == [("a", 1), ("b", 1), ("batch", 7)]
    backlog.clear()
    backlog.extend(["c"], None)
    assert backlog.sizes is None
