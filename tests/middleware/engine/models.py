"""Small models with random weights, and a tokenizer trained on the spot."""

from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "a stream of words that goes on and on",
    "Grüße aus Zürich, naïve façade, 你好世界, 日本語",
]

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
}
#: Rotary positions, learned positions, and attention to the last few tokens only.
KINDS: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.4},
    "mistral": {**SIZES, "sliding_window": 6},
}


def make_tokenizer() -> Any:
    """A tokenizer of bytes and a few pairs of them, so that letters beyond ASCII take several tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    transformers = pytest.importorskip("transformers")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<|end|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>", chat_template=TEMPLATE
    )


def save(folder: Path, kind: str) -> str:
    """Save a model of a kind with the tokenizer."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = make_tokenizer()
    torch.manual_seed(20)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(
            kind, vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1, **KINDS[kind]
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
