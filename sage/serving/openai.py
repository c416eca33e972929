"""A program as a server of the OpenAI protocol."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from sage.admission import Admission
from sage.errors import GraphError
from sage.operators.numbers import is_count
from sage.serving.auth import Auth
from sage.serving.exchange import Limits
from sage.serving.front import Front, ServingApp
from sage.serving.host import Program
from sage.serving.installed import needed
from sage.serving.meters import MetricsNames
from sage.serving.models import Models
from sage.serving.rates import Rate

__all__ = ["openai_app"]


def openai_app(
    env: Program,
    *,
    chat: Mapping[str, str] | None = None,
    completions: Mapping[str, str] | None = None,
    embeddings: Mapping[str, str] | None = None,
    admission: Admission | None = None,
    auth: Auth | None = None,
    rate: Rate | None = None,
    timeout: float | timedelta | None = None,
    max_priority: int = 0,
    origins: Iterable[str] = (),
    count_tokens: Callable[[str], int] | None = None,
    expected_tokens: int = 512,
    metrics_names: MetricsNames = "sage",
    limits: Limits | None = None,
) -> ServingApp:
    """Make an ASGI app that serves endpoints of a program as models of the OpenAI protocol.

    ::

        env.endpoint("talk").flat_map(generate, concurrency=32).reply()
        app = sage.serving.openai_app(env, chat={"my-model": "talk"})

    An endpoint for chat gets a `ChatRequest`, and one for completions a `CompletionRequest`; they reply with str, or
    with `Delta`, `Usage` and `Finish`. One for embeddings gets a text, and replies with a list of numbers.

    Args:
        env: the program. Its job is started and closed with the server.
        chat: of each model's id the name of its endpoint, for ``/v1/chat/completions``.
        completions: the same for ``/v1/completions``.
        embeddings: the same for ``/v1/embeddings``.
        admission: bounds what is inside, decided before there is any work; a request with n answers counts once.
        auth: who may ask: API keys, a mapping from key to tenant, or an async function that is given a key and returns
            the tenant, or `None`. Tenants get equal shares. `None` lets everybody in.
        rate: how many requests and tokens each tenant may have in a minute.
        timeout: seconds, or a timedelta, that a request may take, waiting included; a client may ask for less.
        max_priority: the highest priority that a client may ask for.
        origins: the web pages that may ask from a browser: ``"https://example.org"``, or ``"*"`` for all.
        count_tokens: how many tokens a text has; about one for four bytes if left out.
        expected_tokens: how many tokens are reserved for an answer whose request does not bound it.
        metrics_names: ``"vllm"`` to have the most important metrics also under the names that vLLM uses.
        limits: what one connection may cost.

    Raises:
        GraphError: a value cannot be.
        NotAvailable: the extra ``serve`` is not installed.
    """
    for module in ("msgspec", "prometheus_client"):
        needed(module)
    # Made of classes that need the extra, and so loaded only now.
    from sage.serving.protocol import OpenAIProtocol

    tables = {"chat": chat or {}, "completions": completions or {}, "embeddings": embeddings or {}}
    models = Models(tables)
    if not (count_tokens is None or callable(count_tokens)):
        raise GraphError(f"count_tokens={count_tokens!r}: give a function of a text")
    if not is_count(expected_tokens, 0):
        raise GraphError(f"expected_tokens={expected_tokens!r}: write a number of tokens, 0 or more")
    front = Front(
        env,
        models.endpoints,
        admission=admission,
        auth=auth,
        rate=rate,
        timeout=timeout,
        max_priority=max_priority,
        metrics_names=metrics_names,
        limits=limits,
        origins=origins,
    )
    protocol = OpenAIProtocol(front, models, count_tokens or estimated_tokens, expected_tokens)
    return ServingApp(front, protocol.handlers())


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, for want of a tokenizer."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)
