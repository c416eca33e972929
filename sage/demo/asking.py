"""Asks a server that speaks the OpenAI protocol: with the official client if it is installed, else with sage's own."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec

from sage.errors import NotAvailable
from sage.middleware import ChatModel, ModelServer, Part, Usage
from sage.operators.llm import user

__all__ = ["Ask", "openai_client", "own_client", "preferred_client"]

#: Asks a question; the answer comes in parts.
Ask = Callable[[str], AsyncGenerator[Part, None]]


def preferred_client() -> Callable[[ModelServer], AbstractAsyncContextManager[Ask]]:
    """What makes a client.

    Raises:
        NotAvailable: neither openai nor httpx2 is installed.
    """
    if find_spec("openai") is not None:
        return openai_client
    if find_spec("httpx2") is not None:
        return own_client
    raise NotAvailable('a client needs httpx2: pip install "sage-streams[llm]"')


@asynccontextmanager
async def openai_client(server: ModelServer) -> AsyncIterator[Ask]:
    """The official client, for the length of a block."""
    import openai

    http = openai.DefaultAsyncHttpxClient(trust_env=False)  # a proxy does not know the servers of this machine
    key = server.key or "none"
    async with openai.AsyncOpenAI(base_url=server.url, api_key=key, max_retries=0, http_client=http) as client:

        async def ask(question: str) -> AsyncGenerator[Part, None]:
            async with await client.chat.completions.create(
                model=server.model,
                messages=[{"role": "user", "content": question}],
                stream=True,
                stream_options={"include_usage": True},
            ) as chunks:
                async for chunk in chunks:
                    text = "".join(choice.delta.content or "" for choice in chunk.choices)
                    usage = None
                    if chunk.usage is not None:
                        usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                    yield Part(text, usage=usage)

        yield ask


@asynccontextmanager
async def own_client(server: ModelServer) -> AsyncIterator[Ask]:
    """The chat client of sage, for the length of a block.

    Raises:
        NotAvailable: httpx2 is not installed.
    """
    chat = ChatModel(server, attempts=1)
    await chat.start()
    try:
        yield lambda question: chat.stream([user(question)])
    finally:
        await chat.stop()
