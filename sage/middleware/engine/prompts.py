"""From a request to the tokens that a model goes on from."""

from collections.abc import Mapping, Sequence
from typing import Any

from sage.middleware.engine.generation import Generation
from sage.middleware.engine.loading import LoadedModel
from sage.middleware.engine.requests import GenerationRequest
from sage.middleware.engine.sampling import Sampling
from sage.middleware.errors import ModelRefused

__all__ = ["prepared"]


def prepared(
    loaded: LoadedModel, request: GenerationRequest, max_tokens: int, kv_tokens: int | None = None
) -> Generation:
    """The answer to a request, before its first token.

    A chat goes through the template of the tokenizer; where it has none, each message is a paragraph after its role.

    Args:
        loaded: the model.
        request: what is asked.
        max_tokens: how many tokens an answer has at most, whatever the request says.
        kv_tokens: how many tokens it may have together with the prompt; `None` for as many as the model can look at.

    Raises:
        ModelRefused: the model cannot look at so many tokens, or its template does not take the messages.
    """
    prompt = _tokens(loaded, request)
    bounds = [bound for bound in (loaded.context, kv_tokens) if bound is not None]
    room = min([max_tokens, *(bound - len(prompt) for bound in bounds)])
    if room < 1:
        raise ModelRefused(
            f"the prompt has {len(prompt)} tokens, of the {min(bounds)} that {loaded.name} can look at with its "
            f"answer; shorten it",
            code="context_length_exceeded",
        )
    return Generation(
        prompt,
        loaded.tokenizer,
        loaded.ends,
        max_tokens=room if request.max_tokens is None else min(room, request.max_tokens),
        sampling=_sampling(loaded, request),
        stop=request.stop,
    )


def _sampling(loaded: LoadedModel, request: GenerationRequest) -> Sampling:
    """How the tokens are chosen: as the request says, and else as the model wants it."""
    return Sampling(
        temperature=loaded.temperature if request.temperature is None else request.temperature,
        top_p=loaded.top_p if request.top_p is None else request.top_p,
        top_k=loaded.top_k if request.top_k is None else request.top_k,
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        repetition_penalty=(
            loaded.repetition_penalty if request.repetition_penalty is None else request.repetition_penalty
        ),
        seed=request.seed,
    )


def _tokens(loaded: LoadedModel, request: GenerationRequest) -> list[int]:
    tokenizer = loaded.tokenizer
    if request.prompt is not None:
        tokens = tokenizer.encode(request.prompt)
    elif tokenizer.chat_template:
        # The template writes the special tokens itself.
        tokens = tokenizer.encode(_templated(tokenizer, request), add_special_tokens=False)
    else:
        tokens = tokenizer.encode(_plain(request.messages))
    if not tokens and tokenizer.bos_token_id is not None:
        tokens = [tokenizer.bos_token_id]
    if not tokens:
        raise ModelRefused("the prompt is empty, and there is no token for the beginning of a text: write something")
    return list(tokens)


def _templated(tokenizer: Any, request: GenerationRequest) -> str:
    import jinja2

    try:
        text: str = tokenizer.apply_chat_template(
            list(request.messages), tools=request.tools, add_generation_prompt=True, tokenize=False
        )
    except jinja2.TemplateError as error:
        raise ModelRefused(f"the model's template of chats does not take these messages: {error}") from None
    return text


def _plain(messages: Sequence[Mapping[str, Any]]) -> str:
    said = [f"{message['role']}: {message['content']}\n" for message in messages]
    return "".join([*said, "assistant:"])
