"""``sage serve-services``."""

import asyncio
from pathlib import Path

import click

from sage.cli.failures import CannotRun, failures_told, traceback_option
from sage.cli.loading import Target, load_environment, program_argument
from sage.cli.stopping import Staying, obeying_signals
from sage.environment import Environment
from sage.loops import fast_loop

__all__ = ["serve_services"]

#: Seconds that calls may take to finish.
_GRACE = 30.0


@click.command("serve-services", short_help="Offer the services of a program to other programs.")
@program_argument
@click.option(
    "--bind",
    "address",
    default="tcp://127.0.0.1:5999",
    show_default=True,
    metavar="ADDRESS",
    help="Where; with port 0, any that is free.",
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="The key pair (CURVE) that an address beyond this machine needs.",
)
@click.option("--client", "clients", multiple=True, metavar="KEY", help="A public key that is let in; may be repeated.")
@traceback_option
def serve_services(target: Target, address: str, keys: Path | None, clients: tuple[str, ...], traceback: bool) -> None:
    """Start the services that the program in FILE registers, and offer them until Ctrl-C. ENV is as in sage run.

    \b
      sage serve-services models.py
      sage serve-services models.py --bind tcp://0.0.0.0:5999 --keys host.key --client 'KEY'

    Another program calls them by sage.connect(ADDRESS).
    """
    with failures_told(traceback=traceback):
        env = load_environment(target)
        if not env.service_names:
            raise CannotRun(f"program {env.name!r} has no services; write env.register_service('echo', Echo), say")
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            runner.run(_serve(env, address, keys, clients))


async def _serve(env: Environment, address: str, keys: Path | None, clients: tuple[str, ...]) -> None:
    from sage.services.exposed import exposed, server_keys

    curve, staying = server_keys(keys, clients), Staying()
    with staying.ended():
        async with (
            obeying_signals(staying, grace=_GRACE),
            env.services() as services,
            exposed(services, address, curve=curve) as server,
        ):
            click.echo(f"{', '.join(env.service_names)} at {server.address}")
            await staying.stay()
