"""How the next token is chosen."""

from collections import Counter

import pytest

from sage.middleware.engine.sampling import Sampler, Sampling, next_tokens

pytestmark = pytest.mark.usefixtures("torch_threads")


def drawn(logits: list[float], sampling: Sampling, times: int = 300) -> Counter[int]:
    import torch

    sampler = Sampler(sampling)
    row = torch.tensor(logits)
    return Counter(sampler.draw(row) for _ in range(times))


def test_tokens_are_drawn_by_their_probability() -> None:
    import torch

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    counts = drawn(logits.tolist(), Sampling(temperature=1.0, seed=1), 2_000)
    assert [counts[token] / 2_000 for token in range(4)] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.04)
    counts = drawn((logits * 3).tolist(), Sampling(temperature=3.0, seed=1), 2_000)
    assert [counts[token] / 2_000 for token in range(4)] == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.04)


@pytest.mark.parametrize(
    ("top_p", "expected"), [(0.0, {1}), (0.49, {1}), (0.6, {1, 3}), (0.9, {1, 2, 3}), (1.0, {0, 1, 2, 3})]
)
def test_a_nucleus_holds_the_likeliest(top_p: float, expected: set[int]) -> None:
    import torch

    logits = torch.tensor([0.05, 0.5, 0.15, 0.3]).log().tolist()
    assert set(drawn(logits, Sampling(temperature=1.0, top_p=top_p, seed=2))) == expected


@pytest.mark.parametrize(
    ("top_k", "top_p", "expected"),
    [
        (1, 1.0, {1}),
        (2, 1.0, {1, 3}),
        (9, 1.0, {0, 1, 2, 3}),
        (-1, 1.0, {0, 1, 2, 3}),
        (2, 0.6, {1}),
        (3, 0.9, {1, 3, 2}),
    ],
)
def test_of_the_likeliest_so_many(top_k: int, top_p: float, expected: set[int]) -> None:
    import torch

    logits = torch.tensor([0.05, 0.5, 0.15, 0.3]).log().tolist()  # of the first two 0.5 is 0.625
    assert set(drawn(logits, Sampling(temperature=1.0, top_k=top_k, top_p=top_p, seed=2))) == expected


def test_what_was_there_is_less_likely() -> None:
    import torch

    def taken(sampling: Sampling, prompt: tuple[int, ...] = ()) -> list[int]:
        sampler = Sampler(sampling, prompt)
        return [next_tokens(torch.tensor([[3.0, 2.5, 2.0, -1.0]]), [sampler])[0] for _ in range(6)]

    assert taken(Sampling(presence_penalty=0.75)) == [0, 1, 0, 0, 0, 0]
    assert taken(Sampling(frequency_penalty=0.75)) == [0, 1, 0, 2, 1, 0]
    assert taken(Sampling(repetition_penalty=2.0), prompt=(0,)) == [1, 2, 0, 0, 0, 0]
    assert taken(Sampling(frequency_penalty=-1.0)) == [0] * 6


def test_impossible_tokens_are_never_drawn() -> None:
    assert set(drawn([float("-inf"), 0.0, float("-inf"), 0.0, float("-inf")], Sampling(temperature=5.0, seed=3))) == {
        1,
        3,
    }
    assert set(drawn([1.0, 30_000.0, 2.0], Sampling(temperature=0.002, seed=3), times=20)) == {1}


def test_rows_are_chosen_each_in_its_own_way() -> None:
    import torch

    logits = torch.tensor([[0.0, 9.0, 0.0], [0.0, 0.0, 0.1], [3.0, 0.0, 0.0]])
    samplers = [Sampler(Sampling()), Sampler(Sampling(temperature=1.0, seed=4)), Sampler(Sampling(temperature=1e-9))]
    rows = [next_tokens(logits, samplers) for _ in range(50)]
    assert {row[0] for row in rows} == {1}
    assert {row[1] for row in rows} == {0, 1, 2}
    assert {row[2] for row in rows} == {0}


def test_seeds_decide() -> None:
    import torch

    def twenty(seed: int | None) -> list[int]:
        sampler = Sampler(Sampling(temperature=1.0, seed=seed))
        return [sampler.draw(torch.zeros(100)) for _ in range(20)]

    assert twenty(5) == twenty(5) != twenty(6)
    assert twenty(None) != twenty(None)
