"""How elements leave a task, as contracts."""

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["DataTransport", "MessageRouter"]


class MessageRouter(Protocol):
    """Sends what an operator emits to the tasks that read it."""

    def offer(self, batch: Any, output: str | None = None) -> bool:
        """Send a batch as far as there is room now; tell whether all of it went. `flush` sends the rest."""
        ...

    async def flush(self) -> None:
        """Send what `offer` could not, waiting for room.

        Cancel safety: when cancelled, what was not sent is still held for the next `flush`.
        """
        ...


class DataTransport(Protocol):
    """Makes the channels between tasks."""

    def channel(self, name: str, capacity: int | None) -> Any:
        """Describe a new channel of `capacity` records (`None` for no bound). Its receiver is to be opened first."""
        ...

    def for_sender(self, descriptor: Any) -> Any:
        """The descriptor with which the sender's side opens its end, once the receiver is open."""
        ...

    def kinds(self) -> Sequence[str]:
        """The kinds of channels that it can make."""
        ...
