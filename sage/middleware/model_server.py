"""Where a model is served."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sage.errors import GraphError
from sage.operators.numbers import is_number, seconds

__all__ = ["ModelServer", "check_client"]


@dataclass(frozen=True)
class ModelServer:
    """A model at a server that speaks the OpenAI protocol.

    Args:
        url: the address up to, and with, the version: ``"http://127.0.0.1:8000/v1"``.
        model: the model's name there.
        key: the API key; `None` for none. It is shown nowhere.

    Raises:
        GraphError: a value cannot be.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            raise GraphError(f"ModelServer({self.url!r}, ...): write an address that starts with http:// or https://")
        if not isinstance(self.model, str) or not self.model:
            raise GraphError(f"ModelServer({self.url!r}, {self.model!r}): write the name of the model at that server")

    def address(self, path: str) -> str:
        """Where something is asked for: ``"/chat/completions"``."""
        return self.url.rstrip("/") + path

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def __str__(self) -> str:
        return f"{self.model} at {self.url}"


def check_client(owner: str, servers: Sequence[ModelServer], **durations: float | timedelta) -> list[float]:
    """Check what every client of models is made with; return the durations in seconds.

    Args:
        owner: what the user wrote: ``"ChatModel"``.
        servers: there must be one at least.
        durations: seconds, or timedeltas, by the names of the options.

    Raises:
        GraphError: a value cannot be.
    """
    if not servers or not all(isinstance(server, ModelServer) for server in servers):
        raise GraphError(f"{owner}(...): give one ModelServer, or several of which the first is asked first")
    for name, value in durations.items():
        if not is_number(seconds(value), beyond=True):
            raise GraphError(f"{owner}({name}={value!r}): write seconds, more than 0")
    return [seconds(value) for value in durations.values()]
