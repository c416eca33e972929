"""What was registered: a service's name, how it is made, and how it is run."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from sage.errors import GraphError
from sage.operators.numbers import is_count, is_number, seconds
from sage.services.balance import Balance, balance_named
from sage.services.breaker import Breaker
from sage.services.restart import Restart
from sage.services.service import LIFE_CYCLE, Service

__all__ = ["PLACES", "ServiceDefinition"]

#: Where replicas may run.
PLACES = ("inproc", "zmq", "ray")


@dataclass(frozen=True)
class ServiceDefinition:
    """One registered service.

    Args:
        name: what it is called.
        make: makes an instance: the class, or a factory.
        args, kwargs: what `make` is given.
        replicas: how many instances there are, each with a part of the calls.
        place: where they run: ``"inproc"`` (in this event loop), ``"zmq"`` (each in a process of its own on this
            machine) or ``"ray"`` (each an actor).
        max_concurrency: how many calls of the service run at once; `None` for no bound.
        max_queue: how many calls wait for that; more are refused with `Overloaded`. `None` for no bound.
        timeout: seconds, or a timedelta, that a call may take, waiting included; for streams, until the first item.
        retry: how often a call that failed is tried again, as `sage.Retry` says; never when an item has been received.
        rate: how many calls may begin in a second.
        breaker: when a service that fails is left alone.
        restart: whether and how a replica that died is started again; not for ``"inproc"``, which cannot die alone.
        balance: which replica gets a call: ``"least"`` (fewest unanswered calls), ``"round_robin"``, ``"key"`` (the
            first argument, given by position, is the key), or a `Balance` such as `sage.ByKey`.

    Raises:
        GraphError: a value cannot be; the message names the service.
    """

    name: str
    make: Callable[..., Service]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    replicas: int = 1
    place: str = "inproc"
    max_concurrency: int | None = None
    max_queue: int | None = None
    timeout: float | timedelta | None = None
    retry: Any = None
    rate: float | None = None
    breaker: Breaker | None = None
    restart: Restart | None = None
    balance: str | Balance = "least"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise GraphError(f"register_service({self.name!r}, ...): write a name, a text that is not empty")
        try:
            self._check()
        except GraphError as error:
            raise GraphError(f"register_service({self.name!r}, ...): {error}") from None

    @property
    def seconds(self) -> float | None:
        """The timeout in seconds."""
        return seconds(self.timeout)

    @property
    def service_type(self) -> type[Service] | None:
        """The class, if it was registered by class."""
        return self.make if isinstance(self.make, type) else None

    def _check(self) -> None:
        if isinstance(self.make, type) and not issubclass(self.make, Service):
            raise GraphError(f"{self.make.__name__} is not a service; derive it from sage.Service")
        if not callable(self.make):
            raise GraphError(f"{self.make!r} is not a class derived from sage.Service; give the class, not an instance")
        if self.service_type is not None:
            for name in sorted(LIFE_CYCLE):
                if not inspect.iscoroutinefunction(getattr(self.service_type, name)):
                    raise GraphError(f"{self.service_type.__name__}.{name} is not async; write async def {name}(self)")
        self._check_arguments()
        if self.place not in PLACES:
            raise GraphError(f"place={self.place!r} is not known; write one of {', '.join(map(repr, PLACES))}")
        _count("replicas", self.replicas, 1)
        if self.max_concurrency is not None:
            _count("max_concurrency", self.max_concurrency, 1)
        if self.max_queue is not None:
            _count("max_queue", self.max_queue, 0)
            if self.max_concurrency is None:
                raise GraphError(f"max_queue={self.max_queue}: nothing waits unless max_concurrency is given as well")
        for name, value in (("timeout", self.seconds), ("rate", self.rate)):
            if value is not None and not is_number(value, beyond=True):
                raise GraphError(f"{name}={value!r}: write a number above 0")
        for option, wanted in (("breaker", Breaker), ("restart", Restart)):
            if not isinstance(given := getattr(self, option), wanted | None):
                raise GraphError(f"{option}={given!r}: write sage.{wanted.__name__}(...)")
        if self.retry is not None and self.retry.then != type(self.retry)().then:
            raise GraphError(f"retry=...: then={self.retry.then!r} is for operators; leave it out, the caller decides")
        if self.restart is not None and self.place == "inproc":
            raise GraphError(
                "restart=...: in this process a service cannot die alone; write place='zmq', or leave it out"
            )
        balance_named(self.balance)

    def _check_arguments(self) -> None:
        """Whether an instance can be made with what is given for it, such as a misspelt option.

        Raises:
            GraphError: it cannot.
        """
        try:
            signature = inspect.signature(self.make)
        except ValueError:  # it is not known of everything
            return
        try:
            signature.bind(*self.args, **self.kwargs)
        except TypeError as error:
            who = getattr(self.make, "__name__", repr(self.make))
            options = ", ".join(one.name for one in fields(self) if one.name not in _OF_THE_INSTANCE)
            raise GraphError(f"{who}: {error}; the options of a service are {options}, all else is for it") from None


# What is not said of how a service is run.
_OF_THE_INSTANCE = ("name", "make", "args", "kwargs")


def _count(name: str, value: object, least: int) -> None:
    if not is_count(value, least):
        raise GraphError(f"{name}={value!r}: write a whole number, {least} or more")
