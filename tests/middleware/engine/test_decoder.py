"""Continuous batching, step by step in this thread: who is in the batch makes no difference to anybody."""

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from sage.middleware.engine.decoder import Decoder
from sage.middleware.engine.generation import Generation
from sage.middleware.engine.loading import LoadedModel
from sage.middleware.engine.sampling import Sampling

GREEDY = Sampling()
PROMPTS = ["the", "a stream of words", "the quick brown fox jumps over", "o", "Zürich 你好 and on", "dog"]


def generation(loaded: LoadedModel, prompt: str, max_tokens: int = 24, sampling: Sampling = GREEDY) -> Generation:
    tokens = loaded.tokenizer.encode(prompt)
    return Generation(tokens, loaded.tokenizer, loaded.ends, max_tokens=max_tokens, sampling=sampling)


class Reader:
    """Has a decoder do steps, and keeps the text of every answer."""

    def __init__(self, loaded: LoadedModel, prefill_tokens: int = 512) -> None:
        self.decoder = Decoder(loaded, prefill_tokens=prefill_tokens)
        self.texts: dict[Generation, str] = {}
        self.ended: dict[Generation, str] = {}

    def step(self, joining: Sequence[Generation] = (), leaving: Sequence[Generation] = ()) -> int:
        """Do a step; gives how many tokens were made."""
        outcomes = self.decoder.step(joining, set(leaving))
        for outcome in outcomes:
            assert outcome.generation not in self.ended
            self.texts[outcome.generation] = self.texts.get(outcome.generation, "") + outcome.text
            if outcome.reason:
                self.ended[outcome.generation] = outcome.reason
        return len(outcomes)

    def finish(self) -> None:
        while self.step():
            pass


@cache
def alone(loaded: LoadedModel, prompt: str) -> str:
    """What `transformers` itself generates."""
    import torch

    tokens = torch.tensor([loaded.tokenizer.encode(prompt)])
    made: Any = loaded.model.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=24, do_sample=False, pad_token_id=1
    )
    text: str = loaded.tokenizer.decode(made[0, tokens.shape[1] :], skip_special_tokens=True)
    return text


def test_a_batch_is_what_each_would_be_alone(each_kind: LoadedModel) -> None:
    loaded = each_kind
    reader = Reader(loaded)
    answers = [generation(loaded, prompt) for prompt in PROMPTS]
    reader.step(answers)
    reader.finish()
    assert [reader.texts[answer] for answer in answers] == [alone(loaded, prompt) for prompt in PROMPTS]
    assert max(reader.decoder.batches) > 2


@pytest.mark.parametrize("prefill_tokens", [3, 512])
def test_answers_join_and_leave_at_any_step(each_kind: LoadedModel, prefill_tokens: int) -> None:
    loaded = each_kind
    draw = random.Random(prefill_tokens)
    reader = Reader(loaded, prefill_tokens)
    answers = {generation(loaded, prompt): prompt for prompt in PROMPTS * 2}
    left: set[Generation] = set()
    waiting = list(answers)
    while waiting:
        joining = [waiting.pop() for _ in range(min(len(waiting), draw.choice([0, 0, 1, 2])))]
        here = [answer for answer in reader.texts if answer not in reader.ended]
        leaving = draw.sample(here, min(len(here), draw.choice([0, 0, 0, 1])))
        left.update(leaving)
        reader.step(joining, leaving)
    reader.finish()
    whole = {prompt: alone(loaded, prompt) for prompt in PROMPTS}
    for answer, prompt in answers.items():
        if answer in left:
            assert whole[prompt].startswith(reader.texts[answer])
            assert answer not in reader.ended
        else:
            assert reader.texts[answer] == whole[prompt]
    assert left
    assert len(left) < len(answers)


def test_a_long_prompt_does_not_hold_the_others_up(loaded: LoadedModel) -> None:
    reader = Reader(loaded, prefill_tokens=4)
    tokens = loaded.tokenizer.encode("the")
    quick = Generation(tokens, loaded.tokenizer, (), max_tokens=200, sampling=GREEDY)  # no token ends it
    reader.step([quick])
    long = generation(loaded, " ".join(["the quick brown fox"] * 3))
    before = quick.made
    steps = 1
    reader.step([long])
    while not long.made:
        reader.step()
        steps += 1
    assert steps == -(-len(long.prompt) // 4)
    assert quick.made == before + steps


def test_what_leaves_while_its_prompt_is_read_is_forgotten(loaded: LoadedModel) -> None:
    reader = Reader(loaded, prefill_tokens=2)
    long = generation(loaded, "the quick brown fox")
    assert reader.step([long]) == 0
    assert reader.step(leaving=[long]) == 0
    assert reader.step() == 0
    assert long.made == 0


def test_the_length_of_an_answer(loaded: LoadedModel) -> None:
    reader = Reader(loaded)
    short, stopped = generation(loaded, "the", max_tokens=1), generation(loaded, "a stream of words")
    reader.step([short, stopped])
    assert reader.ended[short] == "length"
    reader.finish()
    assert (short.made, reader.decoder.batches[2]) == (1, 0)


def test_a_stop_string_ends_an_answer_before_it(loaded: LoadedModel) -> None:
    whole = alone(loaded, "the quick")
    stop = whole[3:6]
    reader = Reader(loaded)
    tokens = loaded.tokenizer.encode("the quick")
    answer = Generation(tokens, loaded.tokenizer, loaded.ends, max_tokens=24, sampling=GREEDY, stop=(stop, "never"))
    reader.step([answer])
    reader.finish()
    assert (reader.texts[answer], reader.ended[answer]) == (whole[: whole.index(stop)], "stop")


def test_what_is_drawn_depends_on_the_seed_alone(loaded: LoadedModel) -> None:
    def drawn(prompt: str, seed: int, *others: Generation) -> str:
        reader = Reader(loaded)
        answer = generation(loaded, prompt, sampling=Sampling(temperature=0.9, top_p=0.95, seed=seed))
        reader.step(others)
        reader.step([answer])
        reader.finish()
        return reader.texts[answer]

    crowd = [generation(loaded, prompt, sampling=Sampling(temperature=1.5)) for prompt in PROMPTS]
    assert drawn("the", 3) == drawn("the", 3, *crowd)
    assert len({drawn("the", seed) for seed in range(4)}) > 1


def test_a_decoder_that_was_cleared_begins_anew(loaded: LoadedModel) -> None:
    reader = Reader(loaded)
    reader.step([generation(loaded, prompt) for prompt in PROMPTS])
    reader.decoder.clear()
    assert reader.step() == 0
    answer = generation(loaded, "the")
    reader.step([answer])
    reader.finish()
    assert reader.texts[answer] == alone(loaded, "the")
