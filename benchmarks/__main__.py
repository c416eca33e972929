"""``python -m benchmarks``: the arguments, and the order of things."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import async_map, chain, keyed, latency, memory, services, startup
from benchmarks.machine import machine_facts
from benchmarks.outcome import Outcome
from benchmarks.plan import Plan
from benchmarks.plot import PlotsNotAvailable, require_matplotlib, write_plot
from benchmarks.report import print_outcome, write_json
from benchmarks.serving.catalogue import SERVING
from benchmarks.transports.catalogue import TRANSPORTS

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS: dict[str, Callable[[Plan], list[Outcome]]] = {
    "chain": chain.run,
    "keyed": keyed.run,
    "async_map": async_map.run,
    "latency": latency.run,
    "memory": memory.run,
    "startup": startup.run,
    "services": services.run,
    **TRANSPORTS,
    **SERVING,
}

#: Names for several of them.
GROUPS = {"transports": tuple(TRANSPORTS), "serving": tuple(SERVING)}

#: Of the tables, where there is no terminal that has one.
_WIDTH = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the arguments say, and return the exit code: 0, or 2 if they cannot be followed.

    A goal that is missed is shown, and is no error: it depends on the machine.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    options.names = [part for name in options.names for part in GROUPS.get(name, (name,))]
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; write some of {', '.join((*BENCHMARKS, *GROUPS))}")
    if options.plot:
        try:
            require_matplotlib()
        except PlotsNotAvailable as missing:
            parser.error(str(missing))
    if options.pin:
        _pin(parser)
    outcomes = _measure(options)
    if options.plot:
        write_plot(options.plot, outcomes, _caption())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure sage against hand-written programs that do the same work."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--runs", type=_positive, default=5, metavar="N", help="pairs of floor and subject (5)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it all work? Not for comparing figures")
    parser.add_argument("--peers", action="store_true", help="measure other libraries too, where they are installed")
    parser.add_argument("--pin", action="store_true", help="use one core only, which makes figures steadier (Linux)")
    parser.add_argument("--json", type=_writable, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--plot", type=_writable, metavar="FILE.svg", help="draw all figures")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number, 1 or more")
    return int(text)


def _writable(text: str) -> Path:
    """Say before minutes of measuring that the folder is not there."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: write a file name in a folder that exists")
    return path


def _pin(parser: argparse.ArgumentParser) -> None:
    if sys.platform != "linux":
        parser.error("--pin works on Linux only; leave it out")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _measure(options: argparse.Namespace) -> list[Outcome]:
    console, machine = Console(width=None if sys.stdout.isatty() else _WIDTH), machine_facts()
    asked = {"pairs": options.runs, "quick": options.quick, "peers": options.peers}
    console.print(f"{machine['python']}, {machine['processor']}, {machine['cores_used']} of {machine['cores']} cores")
    outcomes: list[Outcome] = []
    with Console(stderr=True).status("") as status:
        plan = Plan(options.runs, options.quick, options.peers, status.update)
        for name in dict.fromkeys(options.names) or BENCHMARKS:
            found = BENCHMARKS[name](plan)
            if options.quick:
                found = [replace(outcome, goals=()) for outcome in found]  # they are meant for full sizes
            for outcome in found:
                print_outcome(outcome, console)
            outcomes += found
            if options.json:  # after each, so that what is measured is not lost
                write_json(options.json, machine, asked, outcomes)
    return outcomes


def _caption() -> str:
    machine = machine_facts()
    cores = f"{machine['cores_used']} of {machine['cores']} cores"
    return f"{machine['python']}, {machine['system']}, {cores}, {machine['date']}"


if __name__ == "__main__":
    sys.exit(main())
