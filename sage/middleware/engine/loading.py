"""A causal language model and its tokenizer, from a folder or from the hub."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sage.errors import NotAvailable
from sage.extras import needed

if TYPE_CHECKING:
    import torch

__all__ = ["LoadedModel", "load_model"]

# What a decoding step hands to a model.
_NEEDED = ("input_ids", "attention_mask", "position_ids", "past_key_values")


class LoadedModel:
    """A model that is ready, and what is to be known of it.

    Args:
        name: the folder or the name it was loaded by.
        model: the `transformers` model.
        tokenizer: its tokenizer.

    Attributes:
        ends: the tokens with which it ends an answer.
        context: how many tokens it can look at; `None` if it does not say.
        temperature, top_p, top_k, repetition_penalty: how it wants its tokens chosen.

    Raises:
        NotAvailable: it cannot be run step by step with a cache of keys and values.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        accepted = inspect.signature(model.forward).parameters
        missing = [parameter for parameter in _NEEDED if parameter not in accepted]
        if missing:
            raise NotAvailable(f"model {name!r} cannot be batched: its forward() takes no {', '.join(missing)}")
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.ends = _ends(model.generation_config.eos_token_id, tokenizer.eos_token_id)
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        settings = model.generation_config
        self.temperature = _or(settings.temperature, 1.0) if settings.do_sample else 0.0
        self.top_p = _or(settings.top_p, 1.0) if settings.do_sample else 1.0
        self.top_k = int(_or(settings.top_k, 0)) if settings.do_sample else 0
        self.repetition_penalty = _or(settings.repetition_penalty, 1.0)
        # Only the last logits are wanted; those of a long prompt would take more room than the model.
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    def logits(self, rows: Sequence[Sequence[int]], inputs: "dict[str, torch.Tensor | Any]") -> "torch.Tensor":
        """The logits of what comes after each row, [rows, vocabulary].

        Args:
            rows: tokens, the same number in each row.
            inputs: the cache, which the keys and values are added to, the mask, and the positions.
        """
        import torch

        device = self.model.device
        moved = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}
        tokens = torch.tensor(rows, device=device)
        output = self.model(input_ids=tokens, use_cache=True, return_dict=True, **self._last_only, **moved)
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def check(self) -> None:
        """Try the model on a token, and look at what it leaves in the cache.

        Raises:
            NotAvailable: it is not what can be batched.
        """
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        inputs = {
            "past_key_values": cache,
            "attention_mask": torch.ones((1, 1), dtype=torch.long),
            "position_ids": torch.zeros((1, 1), dtype=torch.long),
        }
        try:
            with torch.inference_mode():
                self.logits([[0]], inputs)
        except Exception as error:
            raise NotAvailable(f"model {self.name!r} does not run with a cache of keys and values: {error}") from error
        if not cache.layers or not all(_holds_one_token(layer) for layer in cache.layers):
            raise NotAvailable(f"model {self.name!r} cannot be batched: not every layer keeps keys and values")


def _holds_one_token(layer: Any) -> bool:
    shape: tuple[int, ...] = getattr(layer.keys, "shape", ())
    return len(shape) == 4 and shape[-2] == 1


def load_model(
    name: str, *, device: str = "auto", dtype: str = "auto", revision: str | None = None, local_files_only: bool = False
) -> LoadedModel:
    """Load a model. This takes long: call it in a thread.

    Args:
        name: a folder, or a name on the hub.
        device: as torch calls it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` for the quickest.
        dtype: as torch calls it: ``"float32"``, ``"bfloat16"``; ``"auto"`` for that in which it was saved.
        revision: which version on the hub.
        local_files_only: whether nothing is fetched from the hub.

    Raises:
        NotAvailable: torch or transformers are not installed, or the model is not of a kind that can be batched.
        OSError: there is no such model.
    """
    torch, transformers = (
        needed(module, extra="transformers", purpose="a local model") for module in ("torch", "transformers")
    )
    where = {"revision": revision or "main", "local_files_only": local_files_only}
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, **where)
    model = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **where)
    if model.config.is_encoder_decoder:
        raise NotAvailable(f"model {name!r} has an encoder; this engine runs models that only go on with a text")
    loaded = LoadedModel(name, model.to(torch.device(_device(device, torch))).eval(), tokenizer)
    loaded.check()
    return loaded


def _device(device: str, torch: Any) -> str:
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _ends(*given: int | Sequence[int] | None) -> frozenset[int]:
    tokens: set[int] = set()
    for one in given:
        tokens.update([one] if isinstance(one, int) else one or [])
    return frozenset(tokens)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
