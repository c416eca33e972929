"""Progress where there is no terminal: lines that can be read in a log, and searched."""

from types import TracebackType

from rich.console import Console

from sage.cli.measure import JobProgress, OperatorProgress
from sage.cli.table import percent

__all__ = ["Lines", "operator_line"]


class Lines:
    """Shows progress as a line for each operator.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: JobProgress) -> None:
        """Print how the operators got on since the last time."""
        self._print(progress)

    def say(self, message: str) -> None:
        """Print a line."""
        self._console.out(message, highlight=False)

    def finish(self, progress: JobProgress) -> None:
        """Print how the job ended, and what the operators did on average."""
        self.say(progress.headline)
        self._print(progress)

    def _print(self, progress: JobProgress) -> None:
        width = max((len(operator.title) for operator in progress.operators), default=0)
        lines = [operator_line(operator, progress.seconds, width) for operator in progress.operators]
        self.say("\n".join(lines))


def operator_line(operator: OperatorProgress, seconds: float, width: int) -> str:
    """What an operator did, in a line.

    Args:
        operator: the operator.
        seconds: since the start of the job.
        width: of the longest name.
    """
    totals, shares = operator.totals, operator.shares
    parts = [
        f"{seconds:9.1f} s",
        f"{operator.title:<{width}}",
        f"in {totals.records_in:>11,}",
        f"out {totals.records_out:>11,}",
        f"{operator.rate:>11,.0f}/s",
    ]
    if shares is not None:
        parts.append("  ".join(f"{name} {percent(share):>4}" for name, share in shares._asdict().items()))
    if operator.fill is not None:
        parts.append(f"channel {percent(operator.fill):>4}")
    return "  ".join(parts)
