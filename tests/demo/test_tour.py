"""The server of the demo, asked by both clients, and what is shown of that."""

import asyncio
import re
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sage
from sage.demo import asking, tour
from sage.demo.asking import openai_client, own_client, preferred_client
from sage.demo.interview import QUESTIONS
from sage.demo.tour import MODEL, Demonstration
from sage.middleware import ModelServer, ModelUnreachable
from sage.serving.block import served
from sage.serving.listening import listen
from tests.demo.library import copied
from tests.middleware import openai_server

Client = Any


@pytest.fixture
def demonstration(tmp_path: Path) -> Demonstration:
    """The demo about a single module, which was read."""
    made = tour.prepare(copied(["functools.py"], tmp_path))
    sage.run(made.indexing.env)
    return made


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as listening:
        yield listening


def console(width: int = 80) -> Console:
    return Console(file=StringIO(), width=width)


def shown_on(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("client", [openai_client, own_client])
async def test_the_server_answers_in_parts(
    demonstration: Demonstration, listening: socket.socket, client: Client
) -> None:
    async with served(demonstration.app, listening) as origin, client(ModelServer(f"{origin}/v1", MODEL)) as ask:
        parts = [part async for part in ask(QUESTIONS[1])]
    text = "".join(part.text for part in parts)
    assert text.startswith("If *maxsize* is set to None, the LRU features are disabled")
    assert re.search(r"\n\[1\] functools.lru_cache, functools.py:\d+$", text)
    (usage,) = (part.usage for part in parts if part.usage is not None)
    assert usage.completion_tokens == len(text.partition("\n\n")[0].split()) + 1


async def test_the_questions_are_asked_and_the_graphs_shown(
    demonstration: Demonstration, listening: socket.socket
) -> None:
    shown = console()
    await tour.ask(demonstration, [], listening, shown)
    text = shown_on(shown)
    for question in QUESTIONS:
        assert text.count(f"\n{question}\n") == 1
    assert len(re.findall(r"first token after [\d,]+ ms · \d+ tokens at [\d,]+ tokens/s", text)) == len(QUESTIONS)
    assert "quote     ◀─ retrieve" in text
    assert "split       ◀─ document" in text


async def test_other_questions_can_be_asked(demonstration: Demonstration, listening: socket.socket) -> None:
    shown = console()
    await tour.ask(demonstration, ["What does total_ordering fill in?"], listening, shown)
    assert "missing ordering methods [1]" in shown_on(shown)
    assert QUESTIONS[0] not in shown_on(shown)


async def test_what_was_read_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('"""A."""\nclass B:\n    """C."""\n', encoding="utf-8")
    (tmp_path / "b.py").write_text("def (:\n", encoding="utf-8")
    made = tour.prepare(tmp_path)
    shown = console(200)
    tour.show_index(made, await made.indexing.env.run(), shown)
    assert shown_on(shown).startswith("2 passages about 1 module, 1 class\nfrom 2 files below ")
    assert ", 1 file set aside\n" in shown_on(shown)
    assert "Answers are quoted word for word: no model is asked." in shown_on(shown)


async def test_a_server_that_cannot_start_is_told(listening: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    app = sage.serving.openai_app(sage.Environment("empty"), chat={"m": "ask"})
    with pytest.raises(sage.NotAvailable, match="the server could not start"):
        async with served(app, listening):
            await asyncio.Event().wait()


async def test_a_model_is_tried_before_anything_is_read() -> None:
    async with openai_server.serving(openai_server.stream("yes")) as server:
        await tour.check(server.model("herb"))
        assert server.asked[0].body["model"] == "herb"
    with pytest.raises(ModelUnreachable, match=r"herb at http://127\.0\.0\.1:1/v1"):
        await tour.check(ModelServer("http://127.0.0.1:1/v1", "herb"))


@pytest.mark.parametrize(
    ("missing", "client"), [((), openai_client), (("openai",), own_client), (("openai", "httpx2"), None)]
)
def test_the_official_client_is_preferred(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], client: Client
) -> None:
    monkeypatch.setattr(asking, "find_spec", lambda name: None if name in missing else name)
    if client is not None:
        assert preferred_client() is client
        return
    with pytest.raises(sage.NotAvailable, match=r'pip install "sage-streams\[llm\]"'):
        preferred_client()
