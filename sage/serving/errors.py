"""What goes wrong with a request, and what whoever asked is told of it.

The body is that of the OpenAI protocol::

    {"error": {"message": "...", "type": "invalid_request_error", "param": "messages", "code": "..."}}

What a function of the program raised is logged, and told to nobody, unless it is a `RequestError`, or knows what is
told of it: a method ``for_client()`` that makes one, as the errors of models have.
"""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from sage.errors import DeadlineExceeded, JobError, Overloaded, SageError
from sage.operators.numbers import is_count

__all__ = ["RequestError", "error_body", "logger", "problem_of"]

logger = logging.getLogger("sage.serving")

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "service_unavailable",
    504: "timeout_error",
}


_LOWEST, _HIGHEST = 400, 599
# RFC 9110, 5.1 and 5.5.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class RequestError(SageError):
    """A request that is not served, and why. Raised by a function of the program, its message is told to the client.

    ::

        raise sage.serving.RequestError("the text is longer than the model reads", param="messages")

    Args:
        message: what is wrong and what to do instead, in the client's words.
        status: the HTTP status, 400 to 599.
        param: the parameter that it is about, such as ``"messages"``.
        code: a word for programs, such as ``"context_length_exceeded"``.
        headers: sent along.

    Raises:
        ValueError: the status is that of no error, or a header cannot be sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        if not is_count(status, _LOWEST) or status > _HIGHEST:
            raise ValueError(f"RequestError(status={status!r}): write that of an error, {_LOWEST} to {_HIGHEST}")
        for name, value in (headers or {}).items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"RequestError(headers={{{name!r}: {value!r}}}): that cannot be sent as a header")
        self.status = status
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    @property
    def type(self) -> str:
        """The kind of error, in the words of the OpenAI protocol."""
        return _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")


def error_body(problem: RequestError) -> dict[str, Any]:
    """The body of the response, or of the event in the middle of one."""
    message, param, code = str(problem), problem.param, problem.code
    return {"error": {"message": message, "type": problem.type, "param": param, "code": code}}


def problem_of(error: Exception, request_id: str) -> RequestError:
    """What a client is told of an error. One that is not its own fault is logged.

    Args:
        error: what was raised.
        request_id: stands in the log and, where the message tells nothing, in the message.
    """
    match error:
        case RequestError():
            return error
        case Overloaded():
            return _overloaded(error)
        case DeadlineExceeded():
            told = "the deadline of the request has passed"
            return RequestError(told, status=504, code="deadline_exceeded", headers={"x-should-retry": "false"})
        case SageError() if (for_client := getattr(error, "for_client", None)) is not None:
            logger.warning("request %s: %s", request_id, error)
            told_by_itself: RequestError = for_client()
            return told_by_itself
        case JobError():
            logger.warning("request %s: %s", request_id, error)
            return draining()
        case _:
            logger.error("request %s failed", request_id, exc_info=error)
            return RequestError(
                f"something went wrong inside; the log tells what, under request {request_id}",
                status=500,
                code="internal_error",
            )


def draining() -> RequestError:
    """What a client is told while no more requests are taken."""
    return RequestError(
        "the server takes no requests now; it is starting or stopping",
        status=503,
        code="draining",
        headers={"retry-after": "1", "retry-after-ms": "1000"},
    )


def _overloaded(error: Overloaded) -> RequestError:
    headers = {"x-should-retry": "false"}
    if error.retry_after is not None:
        # Whole seconds are all that the standard allows; clients of the OpenAI protocol read the milliseconds first.
        headers = {
            "retry-after": str(math.ceil(error.retry_after)),
            "retry-after-ms": str(math.ceil(error.retry_after * 1000)),
            "x-should-retry": "true",
        }
    if error.limit is not None:
        headers["x-refused-by"] = error.limit
    return RequestError(str(error), status=429, code=error.limit or "overloaded", headers=headers)
