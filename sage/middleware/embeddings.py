"""Vectors of texts: from a server that speaks the OpenAI protocol, or without any model."""

import asyncio
import sys
from array import array
from base64 import b64decode
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from sage.errors import GraphError
from sage.middleware.attempts import Pauses, first_that_answers
from sage.middleware.connection import Connection
from sage.middleware.errors import AnswerBroken, ModelUnreachable
from sage.middleware.model_server import ModelServer, check_client
from sage.middleware.single_flight import SingleFlightCache
from sage.operators.llm import hash_embedding
from sage.operators.numbers import is_count, is_number, seconds
from sage.services.batching import Gatherer
from sage.services.service import Service

__all__ = ["EmbeddingModel", "HashEmbedder", "Vector"]

Vector = list[float]
#: Bytes that a number takes in a list: the float, and its place.
_PER_NUMBER = 32


class HashEmbedder(Service):
    """Vectors without a model, the same everywhere and always; see `hash_embedding`.

    Args:
        dimensions: how many numbers a vector has.

    Raises:
        InvalidOperator: not a number of dimensions.
    """

    def __init__(self, dimensions: int = 256) -> None:
        hash_embedding("", dimensions)
        self._dimensions = dimensions

    async def embed(self, text: str) -> Vector:
        """The vector of a text.

        Cancel safety: it does not wait.
        """
        return hash_embedding(text, self._dimensions)

    async def embed_many(self, texts: Iterable[str]) -> list[Vector]:
        """The vectors of texts, in that order.

        Cancel safety: nothing is lost.
        """
        vectors = []
        for text in texts:
            vectors.append(hash_embedding(text, self._dimensions))
            await asyncio.sleep(0)  # others take their turns: each text is a fraction of a millisecond
        return vectors


class EmbeddingModel(Service):
    """An embedding model at a server. Texts asked for at the same time go together; vectors are kept.

    ::

        env.register_service("embedder", EmbeddingModel, ModelServer("http://127.0.0.1:8000/v1", "bge-m3"))
        vector = await sage.service("embedder").embed("one text")

    Durations are seconds, or a timedelta.

    Args:
        servers: the first is asked first; the others must serve the same model, or vectors could not be compared.
        attempts: how often all servers are tried at most, the first time included.
        pause: before the second time; the pauses double, up to a minute.
        max_size: how many texts go together at most.
        max_wait: how long the first of them waits for others.
        time_limit: how long a request may take.
        connect: how long opening a connection may take.
        cache_entries: how many vectors are kept; 0 for none.
        cache_bytes: how many bytes they may take together, roughly.
        options: what every request says: ``{"dimensions": 256}``.

    Raises:
        GraphError: a value cannot be.
    """

    def __init__(
        self,
        *servers: ModelServer,
        attempts: int = 3,
        pause: float | timedelta = 0.5,
        max_size: int = 64,
        max_wait: float | timedelta = 0.005,
        time_limit: float | timedelta = 30,
        connect: float | timedelta = 5,
        cache_entries: int = 10_000,
        cache_bytes: int = 256 * 1024 * 1024,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        limits = check_client("EmbeddingModel", servers, time_limit=time_limit, connect=connect)
        self._time_limit, to_connect = limits
        if not is_count(max_size):
            raise GraphError(f"EmbeddingModel(max_size={max_size!r}): write how many texts go together, 1 or more")
        if not is_number(seconds(max_wait)):
            raise GraphError(f"EmbeddingModel(max_wait={max_wait!r}): write seconds, 0 or more")
        self._servers = servers
        self._pauses = Pauses(attempts, pause)
        self._max_size = max_size
        self._max_wait = seconds(max_wait)
        self._entries = cache_entries
        self._bytes = cache_bytes
        self._options = dict(options or {})
        self._connection = Connection(servers, to_connect)
        self._gatherer: Gatherer[str, Vector] | None = None
        self._cache: SingleFlightCache[str, Vector] | None = None

    async def start(self) -> None:
        """See `Service.start`. Nothing is sent before the first request.

        Cancel safety: nothing is left.

        Raises:
            NotAvailable: httpx2 is not installed.
        """
        self._connection.open()
        self._gatherer = Gatherer(self._embed_list, self._max_size, self._max_wait, "EmbeddingModel.embed")
        self._cache = SingleFlightCache(
            self._gatherer.call,
            max_entries=self._entries,
            max_bytes=self._bytes,
            size=lambda vector: _PER_NUMBER * len(vector),
        )

    async def stop(self) -> None:
        """See `Service.stop`.

        Cancel safety: it is shielded.
        """
        if self._cache is not None:
            await self._cache.aclose()
        if self._gatherer is not None:
            await self._gatherer.aclose()
        self._cache = self._gatherer = None
        await self._connection.aclose()

    async def health(self) -> Mapping[str, Any]:
        """See `Service.health`; tells what the cache has done.

        Cancel safety: nothing is changed.
        """
        done = None if self._cache is None else self._cache.statistics
        return {"ok": True, "cache": {} if done is None else vars(done)}

    async def embed(self, text: str) -> Vector:
        """The vector of a text. It may be shared: do not change it.

        Cancel safety: the text is taken out of its request if that has not left, unless others want its vector.

        Raises:
            ModelError: as its kind says.
        """
        if self._cache is None:
            raise ModelUnreachable("the embedding model is asked before it was started, or after it was stopped")
        return await self._cache.get(text)

    async def embed_many(self, texts: Iterable[str]) -> list[Vector]:
        """The vectors of texts, in that order; they go together with what others ask for.

        Cancel safety: as `embed`.

        Raises:
            ModelError: one of them failed; the others are given up.
        """
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self.embed(text)) for text in texts]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in asked]

    async def _embed_list(self, texts: list[str]) -> list[Vector]:
        attempts = [self._attempt(server, texts) for server in self._servers]
        async with aclosing(first_that_answers(attempts, self._pauses)) as answers:
            return await anext(answers)

    def _attempt(self, server: ModelServer, texts: list[str]) -> Any:
        async def attempt() -> AsyncGenerator[list[Vector], None]:
            body = {**self._options, "model": server.model, "input": texts, "encoding_format": "base64"}
            answer = await self._connection.post_json(server, "/embeddings", body, self._time_limit)
            yield _vectors(answer, len(texts), server)

        return attempt


def _vectors(answer: Any, count: int, server: ModelServer) -> list[Vector]:
    """The vectors of a response, in the order of their indexes.

    Raises:
        AnswerBroken: it is not what the protocol says.
    """
    try:
        entries = sorted(answer["data"], key=lambda entry: entry["index"])
        vectors = [_numbers(entry["embedding"]) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise AnswerBroken(f"the answer is not what the protocol says: {error!r}", server=str(server)) from None
    if len(vectors) != count:
        raise AnswerBroken(f"it was given {count} texts and gave {len(vectors)} vectors", server=str(server))
    return vectors


def _numbers(embedding: Any) -> Vector:
    """A vector as a list, or as little-endian numbers of four bytes in base64: servers may answer either way."""
    if not isinstance(embedding, str):
        return [float(number) for number in embedding]
    numbers = array("f", b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
