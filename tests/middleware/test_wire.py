"""What flows through pipelines that ask models, where operators are joined by sockets."""

import pytest

from sage.environment import Environment
from sage.middleware import Extract, Outcome, Part, Reply, Retrieve, Turn, Usage
from sage.operators.llm import Citation, Collection, Document, Found, Hit, Passage, Question, ToolCall, user
from sage.transports.codec import Codec

PASSAGE = Passage("Loops run tasks.", "loops", "On loops", 0, 16)
CALL = ToolCall("call_1", "add", "{}")
REPLY = Reply("hi", (CALL,), "tool_calls", Usage(1, 2), "m", "because", "", ({"token": "hi", "logprob": -1.0},))


async def test_a_program_over_zmq_answers_questions() -> None:
    library = Collection()
    library.add([PASSAGE])
    env = Environment("far", transport="zmq")
    env.endpoint("ask").map(Retrieve(library)).map(lambda question: question).flat_map(Extract()).reply()
    async with env.start() as job:
        assert await job.call("ask", "What runs tasks?") == "Loops run tasks. [1]"


@pytest.mark.parametrize(
    "value",
    [
        Question("why?", (Found(PASSAGE, 0.5),), (user("why?"),), {"max_tokens": 3}),
        Document("all of it", "here"),
        Citation("Loops run tasks.", 1, 0.5),
        Hit("loops#0-16", 0.5),
        Turn("why?", (user("why?"),), 1, REPLY),
        Outcome("why?", "hi", "answered", 1, (user("why?"),)),
        Part("hi", ({"index": 0},), "stop", Usage(1, 2)),
    ],
)
def test_what_goes_out_comes_in(value: object) -> None:
    codec = Codec()
    encoded = codec.encode(value)
    decoded = codec.decode(encoded.body, encoded.buffers)
    assert (type(decoded), decoded) == (type(value), value)
