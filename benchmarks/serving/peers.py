"""Other libraries that tokens flow through. Each is optional, and imported only when it is measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.serving.streams import OpenAnswer, Opens, exclaim, upper, words

__all__ = ["peer_ways"]


@asynccontextmanager
async def _langchain() -> AsyncIterator[OpenAnswer]:
    """A chain of three generators."""
    generator: Any = import_module("langchain_core.runnables").RunnableGenerator

    async def made(counts: AsyncIterator[int]) -> AsyncIterator[str]:
        async for count in counts:
            async for token in words(count):
                yield token

    async def raised(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        async for token in tokens:
            yield upper(token)

    async def loud(tokens: AsyncIterator[str]) -> AsyncIterator[str]:
        async for token in tokens:
            yield exclaim(token)

    yield (generator(made) | generator(raised) | generator(loud)).astream


@asynccontextmanager
async def _pipecat() -> AsyncIterator[OpenAnswer]:
    """A pipeline of two processors for each request, as one has for each session, and one that takes what comes out."""
    import_module("loguru").logger.disable("pipecat")  # it tells of every pipeline
    frames: Any = import_module("pipecat.frames.frames")
    processors: Any = import_module("pipecat.processors.frame_processor")
    make_pipeline: Any = import_module("pipecat.pipeline.pipeline").Pipeline
    make_runner: Any = import_module("pipecat.workers.runner").WorkerRunner
    make_task: Any = import_module("pipecat.pipeline.task").PipelineTask

    async def process(self: Any, frame: Any, direction: Any) -> None:
        await processors.FrameProcessor.process_frame(self, frame, direction)
        if isinstance(frame, frames.TextFrame):
            frame.text = self.take(frame.text)
        await self.push_frame(frame, direction)

    stage: Any = type("Stage", (processors.FrameProcessor,), {"process_frame": process})

    def made(take: Any) -> Any:
        processor = stage()
        processor.take = take
        return processor

    async def answer(count: int) -> AsyncIterator[str]:
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        task = make_task(make_pipeline([made(upper), made(exclaim), made(texts.put_nowait)]))

        async def play() -> None:
            async for token in words(count):
                await task.queue_frame(frames.TextFrame(token))
            await task.queue_frame(frames.EndFrame())
            runner = make_runner(handle_sigint=False)
            await runner.add_workers(task)
            await runner.run()
            texts.put_nowait(None)

        playing = asyncio.create_task(play())
        while (text := await texts.get()) is not None:
            yield text
        await playing

    yield answer


#: By the module that they need: how they are called, what installs them, and the way.
_PEERS: dict[str, tuple[str, str, Opens]] = {
    "langchain_core": ("LangChain LCEL", "langchain-core", _langchain),
    "pipecat": ("Pipecat", "pipecat-ai", _pipecat),
}


def peer_ways() -> tuple[dict[str, Opens], list[str]]:
    """Those that are installed, by name, and a note for each that is not."""
    there = {module: find_spec(module) is not None for module in _PEERS}
    ways = {name: opens for module, (name, _, opens) in _PEERS.items() if there[module]}
    notes = [
        f"{package}: not installed; pip install {package}"
        for module, (_, package, _) in _PEERS.items()
        if not there[module]
    ]
    return ways, notes
