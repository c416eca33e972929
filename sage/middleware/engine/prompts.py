"""From a request to the tokens that a model goes on from."""

from collections.abc import Mapping, Sequence
from typing import Any

from sage.middleware.engine.generation import Generation
from sage.middleware.engine.loading import LoadedModel
from sage.middleware.engine.requests import GenerationRequest
from sage.middleware.engine.sampling import Sampling
from sage.middleware.errors import ModelRefused

__all__ = ["prepared"]


def prepared(loaded: LoadedModel, request: GenerationRequest, max_tokens: int) -> Generation:
    """The answer to a request, before its first token.

    A chat goes through the template of the tokenizer; where it has none, each message is a paragraph after its role.

    Args:
        loaded: the model.
        request: what is asked.
        max_tokens: how many tokens an answer has at most, whatever the request says.

    Raises:
        ModelRefused: the model cannot look at so many tokens, or its template does not take the messages.
    """
    prompt = _tokens(loaded, request)
    room = max_tokens if loaded.context is None else min(max_tokens, loaded.context - len(prompt))
    if room < 1:
        raise ModelRefused(
            f"the prompt has {len(prompt)} tokens, of the {loaded.context} that {loaded.name} can look at with its "
            f"answer; shorten it",
            code="context_length_exceeded",
        )
    sampling = Sampling(
        temperature=loaded.temperature if request.temperature is None else request.temperature,
        top_p=loaded.top_p if request.top_p is None else request.top_p,
        seed=request.seed,
    )
    return Generation(
        prompt,
        loaded.tokenizer,
        loaded.ends,
        max_tokens=room if request.max_tokens is None else min(room, request.max_tokens),
        sampling=sampling,
        stop=request.stop,
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
