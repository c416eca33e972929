"""What can go wrong between a program and a model.

::

    SageError
    └── ModelError                something about a model, or about what it answered
        ├── ModelUnreachable      nobody answers at the address
        ├── ModelTimeout          nothing came in time: no first token, or no further one; a `TimeoutError`
        ├── ModelRefused          the request cannot be served as it is: unknown model, wrong key, too long
        ├── ModelBusy             too many requests, or no room now; may say when to come back
        ├── ModelFailed           the server failed
        ├── AnswerBroken          the answer ended in the middle, or what came is not what the protocol says
        └── AnswerInvalid         the answer is whole, but not what was asked for, also after it was given back
"""

from math import ceil
from typing import TYPE_CHECKING, Any

from sage.errors import SageError

if TYPE_CHECKING:
    from sage.serving.errors import RequestError

__all__ = [
    "AnswerBroken",
    "AnswerInvalid",
    "ModelBusy",
    "ModelError",
    "ModelFailed",
    "ModelRefused",
    "ModelTimeout",
    "ModelUnreachable",
]


class ModelError(SageError):
    """Something about a model, or about what it answered.

    Attributes:
        reason: what is wrong, without the server.
        server: the model and where it is, as in ``qwen at http://127.0.0.1:8000/v1``; may be empty.
        status: the status of the HTTP response; `None` if there was none.
        code: what the server calls the error, such as ``"model_not_found"``; `None` if it did not say.
        retry_after: in how many seconds the server wants to be asked again; `None` if it did not say.
    """

    #: Whether another attempt may succeed, as long as no part of the answer was received.
    passing = False

    def __init__(
        self,
        message: str,
        *,
        server: str = "",
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{server}: {message}" if server else message)
        self.reason = message
        self.server = server
        self.status = status
        self.code = code
        self.retry_after = retry_after

    def for_client(self) -> "RequestError":
        """What a client of a program that is served is told: nothing of servers that it does not know."""
        from sage.serving.errors import RequestError  # loaded for programs that are served

        return RequestError("the model failed", status=502, code="model_failed")

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross processes. By default an exception is made again from its text alone, which has the server in it.
        return _again, (type(self), self.args, self.__dict__)


class ModelUnreachable(ModelError):
    """Nobody answers at the address, or the service that asks does not run."""

    passing = True


class ModelTimeout(ModelError, TimeoutError):
    """Nothing came in time. The message names the number of seconds, and what it is called."""

    passing = True

    def for_client(self) -> "RequestError":
        """See `ModelError.for_client`."""
        from sage.serving.errors import RequestError

        return RequestError("the model did not answer in time", status=504, code="model_timeout")


class ModelRefused(ModelError):
    """The request cannot be served as it is: unknown model, wrong key, a prompt that is too long."""


class ModelBusy(ModelError):
    """There are too many requests, or the server has no room now."""

    passing = True

    def for_client(self) -> "RequestError":
        """See `ModelError.for_client`."""
        from sage.serving.errors import RequestError

        headers = {} if self.retry_after is None else {"retry-after": str(ceil(self.retry_after))}
        return RequestError("the model has no room now", status=429, code="model_busy", headers=headers)


class ModelFailed(ModelError):
    """The server failed."""

    passing = True


class AnswerBroken(ModelError):
    """The answer ended in the middle, or what came is not what the protocol says."""

    passing = True


class AnswerInvalid(ModelError):
    """The answer is whole, but not what was asked for.

    Attributes:
        answer: what the model wrote the last time.
    """

    def __init__(self, message: str, *, answer: str) -> None:
        super().__init__(message)
        self.answer = answer


def _again(kind: type[ModelError], args: tuple[Any, ...], state: dict[str, Any]) -> ModelError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
