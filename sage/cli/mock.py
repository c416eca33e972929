"""``sage mock``."""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from sage.cli.failures import failures_told, traceback_option
from sage.cli.listening import cannot_listen
from sage.cli.stopping import Staying, obeying_signals
from sage.loops import fast_loop

if TYPE_CHECKING:
    from sage.serving.mock import MockServer

__all__ = ["mock"]

SECONDS = click.FloatRange(min=0)


@click.command(short_help="Serve a synthetic model that speaks the OpenAI protocol.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Beyond this machine only with --api-key.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 for any that is free.")
@click.option("--model", "models", multiple=True, default=("mock",), show_default=True, help="May be repeated.")
@click.option("--max-num-seqs", type=click.IntRange(min=1), default=16, show_default=True, help="Requests in a step.")
@click.option("--max-waiting", type=click.IntRange(min=0), default=256, show_default=True, help="More get a 429.")
@click.option(
    "--kv-tokens", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="Tokens held at a time."
)
@click.option("--step", type=SECONDS, default=0.02, show_default=True, help="Seconds that each step takes.")
@click.option("--per-sequence", type=SECONDS, default=0.0, help="Seconds that each request adds to a step.")
@click.option("--per-prompt-token", type=SECONDS, default=0.0, help="Seconds that each token of a new prompt adds.")
@click.option("--tokens", type=click.IntRange(min=1), default=64, show_default=True, help="Tokens in an answer.")
@click.option("--dimensions", type=click.IntRange(min=1), default=64, show_default=True, help="Of vectors.")
@click.option("--seed", type=int, default=0, show_default=True, help="What words and faults are drawn by.")
@click.option("--fault", "faults", multiple=True, metavar="NAME=VALUE[@PROBABILITY]", help="May be repeated.")
@click.option("--api-key", help="What clients must show.")
@traceback_option
def mock(
    host: str,
    port: int,
    models: tuple[str, ...],
    max_num_seqs: int,
    max_waiting: int,
    kv_tokens: int,
    step: float,
    per_sequence: float,
    per_prompt_token: float,
    tokens: int,
    dimensions: int,
    seed: int,
    faults: tuple[str, ...],
    api_key: str | None,
    traceback: bool,
) -> None:
    """Serve a model that is none: it says words that mean nothing, by an exact schedule, until Ctrl-C.

    \b
      sage mock --port 8000
      sage mock --max-num-seqs 32 --step 0.01 --per-sequence 0.0002
      sage mock --fault error=500@0.1 --fault stall=5:2

    In each step every running request gets a token. A step takes STEP, and PER_SEQUENCE for each request in it, and
    PER_PROMPT_TOKEN for each token of a prompt that is new.

    \b
    Faults, also as headers of a request (x-mock-stall: 5:2):
      error=STATUS            an error before the first token
      overload=SECONDS        a 429 that says to come back after so long
      first=SECONDS           the first token comes that much later
      stall=TOKENS[:SECONDS]  nothing comes after so many tokens
      cut=TOKENS              the connection is cut after so many tokens

    GET /metrics tells, in JSON, how many requests run and wait, and how many were started, finished and cancelled.
    """
    from sage.serving.mock import EngineOptions, MockOptions, MockServer

    with failures_told(traceback=traceback):
        engine = EngineOptions(max_num_seqs, max_waiting, kv_tokens, step, per_sequence, per_prompt_token)
        app = MockServer(MockOptions(models, engine, tokens, dimensions, seed, faults, api_key))
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(app, host, port))


async def _serve(app: "MockServer", host: str, port: int) -> None:
    from sage.serving.mock import serving

    staying = Staying()
    with staying.ended():
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(obeying_signals(staying, grace=1))
            with cannot_listen(host, port):
                url = await stack.enter_async_context(serving(app, host, port))
            click.echo(f"{', '.join(app.options.models)} at {url}/v1")
            await staying.stay()
