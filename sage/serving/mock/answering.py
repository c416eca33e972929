"""One answer in words: what it will say, and how that is sent while it is made."""

import json
from dataclasses import dataclass

from sage.serving.mock.bodies import TextRequest
from sage.serving.mock.chunks import DONE, Shape
from sage.serving.mock.faults import Trouble
from sage.serving.mock.http import encoded, send_json
from sage.serving.mock.options import MockOptions
from sage.serving.mock.reading import TokenReader
from sage.serving.mock.texts import cut_at_stop, words
from sage.serving.presence import Send

__all__ = ["Script", "send_stream", "send_whole"]

_STREAM = encoded({"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"})


@dataclass(frozen=True)
class Script:
    """What an answer will say; only when is left to the engine.

    Attributes:
        prompt_tokens: how long the prompt is.
        tokens: the text of each token.
        reason: why it ends: ``"stop"`` or ``"length"``.
    """

    prompt_tokens: int
    tokens: list[str]
    reason: str

    @classmethod
    def of(cls, request: TextRequest, options: MockOptions) -> "Script":
        """Draw the answer to a request."""
        most = request.max_tokens if request.max_tokens is not None else options.tokens
        count = most if request.exact else min(most, options.tokens)
        seed = f"{options.seed if request.seed is None else request.seed}:{request.model}:{request.prompt}"
        tokens, stopped = cut_at_stop(words(seed, count), request.stop)
        at_length = not stopped and (request.exact or count < options.tokens)
        return cls(request.prompt_tokens, tokens, "length" if at_length else "stop")

    @property
    def usage(self) -> dict[str, int]:
        """What the protocol tells of the tokens."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": len(self.tokens),
            "total_tokens": self.prompt_tokens + len(self.tokens),
        }


async def send_stream(
    send: Send, reader: TokenReader, script: Script, shape: Shape, trouble: Trouble, *, usage: bool
) -> None:
    """Send the tokens as they are made; all that is there goes in one write.

    Cancel safety: when cancelled, the answer stays without an end.
    """
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
    if opening := shape.opening():
        await send(_part(opening))
    cut = len(script.tokens) + 1 if trouble.cut_after is None else trouble.cut_after
    while cut and (ready := await reader.ready()):
        ready, cut = ready[:cut], max(0, cut - len(ready))
        await send(_part(b"".join(shape.token(script.tokens[token.number], token) for token in ready)))
    if not cut:
        return  # without an end: the server closes the connection
    last = shape.finish(script.reason) + (shape.used(script.usage) if usage else b"") + DONE
    await send({"type": "http.response.body", "body": last})


async def send_whole(send: Send, reader: TokenReader, script: Script, shape: Shape, trouble: Trouble) -> None:
    """Send the answer when all of it is made.

    Cancel safety: when cancelled, the answer stays without an end.
    """
    count = len(script.tokens)
    cut = count + 1 if trouble.cut_after is None else trouble.cut_after
    made = 0
    while made < min(count, cut) and (ready := await reader.ready()):
        made += len(ready)
    answer = shape.whole("".join(script.tokens), script.reason, script.usage)
    if cut <= count:
        data = json.dumps(answer).encode()
        headers = encoded({"content-type": "application/json", "content-length": str(len(data))})
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(_part(data[: len(data) // 2]))
        return
    await send_json(send, answer)


def _part(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}
