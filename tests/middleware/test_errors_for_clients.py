"""What a client of a program is told of a model that fails behind it."""

import pytest

from sage.environment import Environment
from sage.middleware import (
    AnswerBroken,
    ChatModel,
    Generate,
    ModelBusy,
    ModelError,
    ModelRefused,
    ModelServer,
    ModelTimeout,
    ModelUnreachable,
)
from sage.operators.llm import Prompt
from sage.serving import app
from sage.serving.errors import problem_of
from tests.middleware.openai_server import refusal, serving
from tests.serving.in_process import asked


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (ModelBusy("no", server="m at http://inside", retry_after=2.5), 429, "model_busy", "3"),
        (ModelBusy("no", server="m at http://inside"), 429, "model_busy", None),
        (ModelTimeout("late", server="m at http://inside"), 504, "model_timeout", None),
        (ModelUnreachable("gone", server="m at http://inside"), 502, "model_failed", None),
        (ModelRefused("your prompt", server="m at http://inside", status=400), 502, "model_failed", None),
        (AnswerBroken("cut", server="m at http://inside"), 502, "model_failed", None),
    ],
)
def test_each_kind(
    error: ModelError, status: int, code: str, retry: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    problem = problem_of(error, "r1")
    assert (problem.status, problem.code, problem.headers.get("retry-after")) == (status, code, retry)
    assert "inside" not in str(problem)
    assert "request r1: m at http://inside" in caplog.text


async def test_a_busy_model_behind_a_pipeline_is_told_as_busy() -> None:
    async with serving(refusal(429, **{"retry-after": "7"})) as server:
        env = Environment("rag")
        env.register_service("chat", ChatModel, ModelServer(server.url, "m"), attempts=1)
        env.endpoint("ask").map(Prompt()).flat_map(Generate("chat")).reply()
        served = app(env)
        async with served.lifespan():
            assert (await asked(served, "POST", "/ask", b'"why?"'))[0] == 429
